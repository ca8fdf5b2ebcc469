"""Where the flow's threads leave what the reporter's thread takes away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from penstock.drivers.inbox import Verdict
from penstock.drivers.suspension import Suspended
from penstock.engine.records import Kept
from penstock.engine.runs import FlowRun, TaskRun
from penstock.journal.figures import Figures
from penstock.runner.ownership import Claim
from penstock.runner.report import Conclusion, render_report
from penstock.runner.tally import Tally
from penstock.states import State

LEFT_BEHIND = (
    "The run was cancelled; its flow did not end within the pod's grace period and was left "
    "behind. If it needs longer, raise terminationGracePeriodSeconds in the pool's pod template."
)


class NoticeBoard:
    """The engine's reporter: takes note of each change of state, and rings once for it."""

    def __init__(
        self,
        claim: Claim,
        *,
        ring: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._claim = claim
        self._ring = ring
        self._clock = clock
        self._started_at = clock()
        self._lock = threading.Lock()
        self._tally = Tally()
        self._ending: Conclusion | Suspended | None = None
        self._settled: list[tuple[str, Verdict]] = []
        self._awaited: tuple[str, ...] = ()
        self._earlier: Mapping[str, Any] | None = None
        self.news = False
        """Whether something changed since the last rendering."""
        self.figures: Figures | None = None
        """What the run's journal tells of itself, once it is open."""

    def flow_run_changed(self, run: FlowRun, state: State[object]) -> None:
        """Flow runs are not reported: the run's own state is the operator's to write."""

    def task_run_changed(self, run: TaskRun, state: State[object]) -> None:
        """Take note that a task run entered a state."""
        with self._lock:
            self._tally.move(run, state)
        self._tell()

    def heartbeat_sent(self, run: TaskRun) -> None:
        """Take note of how far a task says that it is."""
        with self._lock:
            self._tally.beat(run)
        self._tell()

    def record_kept(self, record: Kept) -> None:
        """Take note of an artifact, an event or a published value."""
        with self._lock:
            self._tally.records.add(record)
        self._tell()

    def _tell(self) -> None:
        """Ring, unless what was rung for has not been taken away yet."""
        with self._lock:
            rung, self.news = self.news, True
        if not rung:
            self._ring()

    def settled(self, signals: list[tuple[str, Verdict]]) -> None:
        """Take note of the Signals, by name, whose fate the API server does not know."""
        with self._lock:
            changed, self._settled = self._settled != signals, signals
            rung = self.news
            self.news = self.news or changed
        if changed and not rung:
            self._ring()

    def awaited(self, signals: tuple[str, ...]) -> None:
        """Take note of the names of the signals that the run waits for in this pod."""
        with self._lock:
            self._awaited = signals
        self._tell()

    def repeat(self, report: Mapping[str, Any]) -> None:
        """Repeat what an attempt before this one has told, as the flow does not begin in this."""
        with self._lock:
            self._earlier = report

    def conclude(self, conclusion: Conclusion) -> Conclusion:
        """Take note of how the attempt ended; the first to say so is right, and returned.

        Never returns if the process is being left because the run waits.
        """
        ending = self._end(conclusion)
        if isinstance(ending, Suspended):
            threading.Event().wait()
            raise AssertionError("nobody sets it")
        return ending

    def suspend(self, suspended: Suspended) -> bool:
        """Take note that the attempt ends here and the run goes on later, unless it has ended."""
        return self._end(suspended) is suspended

    def _end(self, ending: Conclusion | Suspended) -> Conclusion | Suspended:
        with self._lock:
            self._ending = self._ending or ending
            return self._ending

    def abandon(self) -> None:
        """Conclude that the run is cancelled although its flow has not ended."""
        self.conclude(
            Conclusion(
                state="Cancelled",
                reason="CancelRequested",
                message=LEFT_BEHIND,
                finished_at=self._clock(),
            )
        )

    def render(self, *, terse: bool = False) -> Mapping[str, Any]:
        """Return the report as it is to be stored."""
        with self._lock:
            self.news = False
            return render_report(
                self._tally,
                claim=self._claim,
                started_at=self._started_at,
                now=self._clock(),
                ending=self._ending,
                settled=self._settled,
                awaited=self._awaited,
                figures=self.figures,
                earlier=self._earlier,
                terse=terse,
            )
