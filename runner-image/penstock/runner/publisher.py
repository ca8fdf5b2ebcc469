"""The reporter's thread: the only one that talks to the API server.

It claims the attempt, writes reports (at most one a second, coalesced), hears SIGTERM and finds
out what it means, and delivers the outcome. Where the run turns out to be another pod's, or the
time that the kubelet grants is nearly over, it ends the process, whatever the flow is doing.
"""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from penstock.runner import exits
from penstock.runner.ownership import Claim, Lost, Owned, Reported
from penstock.runner.pace import Backoff, Pace
from penstock.runner.signals import Wakeup
from penstock.runner.submission import Failed, Run, Stored, inquire, submit


class Board(Protocol):
    """What there is to report; the flow's threads fill it and ring the wake-up."""

    news: bool

    def render(self, *, terse: bool = False) -> Mapping[str, Any]:
        """Return the report as it is to be stored."""

    def abandon(self) -> None:
        """Conclude that the run is cancelled although its flow has not ended."""


class Leave(Exception):  # noqa: N818 - a decision, not an error
    """The process has to end now."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Publisher:
    """Speaks for the run, from the claim to the outcome, in a thread of its own."""

    def __init__(
        self,
        run: Run,
        *,
        claim: Claim,
        board: Board,
        wakeup: Wakeup,
        grace_seconds: float,
        leave: Callable[[int, str], object] = exits.leave,
        pace: Pace | None = None,
    ) -> None:
        self._run = run
        self._claim = claim
        self._board = board
        self._wakeup = wakeup
        self.on_cancel: Callable[[], None] = lambda: None
        self.on_leaving: Callable[[float], None] = lambda _: None
        """Is given the seconds that are left before the pod is stopped."""
        """Called from the reporter's thread when the run is to be cancelled."""
        self.on_suspend: Callable[[float], None] = lambda _: None
        """Called from there with the seconds that are left, when the run is to be suspended."""
        self._leave = leave
        self._pace = pace or Pace()
        self._backoff = Backoff(self._pace)
        self._margin = min(self._pace.margin, grace_seconds / 2)
        self._usable_grace = grace_seconds - self._margin
        self._claimed: Mapping[str, Any] = {}
        self._settled = threading.Event()
        self._owed = False
        self._terse = False
        self._urgent = False
        self._concluded = threading.Event()
        self._leave_by: float | None = None
        self._cancelling = False
        self._suspending = False
        self._complaint = ""
        self._thread = threading.Thread(target=self._work, name="penstock-reporter", daemon=True)

    # What other threads call

    def start(self) -> None:
        """Begin to claim the attempt."""
        self._thread.start()

    def claimed(self) -> Mapping[str, Any]:
        """Wait until the attempt is this pod's; return the run as it is then."""
        self._settled.wait()
        return self._claimed

    @property
    def cancelling(self) -> bool:
        """Whether the run is to be cancelled, as far as is known."""
        return self._cancelling

    @property
    def suspending(self) -> bool:
        """Whether the run is to go on later, as far as is known."""
        return self._suspending

    def begin_grace(self) -> None:
        """Leave once the grace period is over, as after a cancel, if the flow has not ended."""
        self._cancelling = True
        if self._leave_by is None:
            self._leave_by = time.monotonic() + self._usable_grace
        self._wakeup.poke()

    def report_now(self) -> None:
        """Send the next report without waiting for its turn; return at once."""
        self._urgent = True
        self._wakeup.poke()

    def deliver(self) -> None:
        """Deliver the outcome that the board now holds; return when it is stored."""
        self._concluded.set()
        self._wakeup.poke()
        self._thread.join()

    # The three stages of the thread

    def _work(self) -> None:
        try:
            self._take_attempt()
            self._follow_flow()
            self._deliver_outcome()
        except Leave as left:
            self._leave(left.code, left.sentence)
        except BaseException:
            traceback.print_exc()
            self._leave(exits.UNREPORTED, "The reporter failed, which is a bug in Penstock.")

    def _take_attempt(self) -> None:
        deadline = time.monotonic() + self._pace.patience
        while failed := self._try_claim():
            self._complain("The API server did not take this pod's claim yet", failed)
            delay = self._backoff.after(failed)
            if time.monotonic() + delay > deadline:
                raise Leave(
                    exits.UNREPORTED,
                    f"The API server did not take this pod's claim in {self._pace.patience:g} s, "
                    f"so nothing was run. Its last answer: {failed.sentence}",
                )
            self._pause(delay)
            self._answer_sigterm()
        self._backoff.reset()
        self._settled.set()

    def _try_claim(self) -> Failed | None:
        standing = self._inquire()
        if isinstance(standing, Failed):
            return standing
        if isinstance(standing, Reported):
            raise Leave(exits.FENCED, "This pod has reported an outcome already.")
        if failed := self._submit():
            return failed
        self._claimed = standing.run
        if standing.cancelled:
            self._start_cancelling()
        elif standing.suspended:
            self._start_suspending()
        return None

    def _follow_flow(self) -> None:
        """Write news, at most one report an interval, until the flow has ended."""
        due = time.monotonic() + self._pace.interval
        while not self._concluded.is_set():
            self._pause(self._seconds_to_next_look(due))
            self._answer_sigterm()
            if self._cancelling and self._leave_by is not None:
                self._abandon_flow_at(self._leave_by)
            is_due = self._urgent or (self._has_news and time.monotonic() >= due)
            if self._concluded.is_set() or not is_due:
                continue
            self._urgent = False
            due = time.monotonic() + self._write_news()

    @property
    def _has_news(self) -> bool:
        return self._owed or self._board.news

    def _seconds_to_next_look(self, due: float) -> float | None:
        looks = [due] if self._has_news else []
        looks += [] if self._leave_by is None else [self._leave_by]
        return max(0.0, min(looks) - time.monotonic()) if looks else None

    def _write_news(self) -> float:
        """Send one report; return how long to wait before the next."""
        failed = self._submit()
        self._owed = failed is not None
        if failed is None:
            self._backoff.reset()
            return self._pace.interval
        self._complain("A report was not stored and will be sent again", failed)
        return max(self._pace.interval, self._backoff.after(failed))

    def _deliver_outcome(self) -> None:
        deadline = time.monotonic() + self._pace.patience
        self._backoff.reset()
        while failed := self._submit():
            self._complain("The outcome is not stored yet", failed)
            delay = self._backoff.after(failed)
            if self._leave_by is not None:
                deadline = min(deadline, self._leave_by)
            if time.monotonic() + delay > deadline:
                raise Leave(
                    exits.UNREPORTED,
                    "The flow has ended, but the API server did not take its outcome in time; "
                    f"the operator will start the run again. Its last answer: {failed.sentence}",
                )
            self._pause(delay)

    # SIGTERM

    def _pause(self, seconds: float | None) -> None:
        """Wait for a wake-up; a SIGTERM starts the clock of the grace period."""
        heard = self._wakeup.wait(seconds)
        if signal.SIGTERM in heard and self._leave_by is None:
            self._leave_by = time.monotonic() + self._usable_grace

    def _answer_sigterm(self) -> None:
        """Find out whether a SIGTERM means a cancel; if it does not, leave at once."""
        if self._leave_by is None or self._cancelling or self._suspending:
            return
        give_up = min(self._leave_by, time.monotonic() + self._pace.inquiry)
        while isinstance(standing := self._inquire(), Failed) and time.monotonic() < give_up:
            self._pause(self._pace.first_retry)
        if isinstance(standing, Owned) and standing.cancelled:
            self._start_cancelling()
            return
        if isinstance(standing, Owned) and standing.suspended:
            self._start_suspending()
            return
        if self._has_news and not self._concluded.is_set():
            self._submit()
        self.on_leaving(max(0.0, self._leave_by - time.monotonic()))
        raise Leave(
            exits.TERMINATED,
            "The pod is being stopped; the operator will start the run again elsewhere.",
        )

    def _start_cancelling(self) -> None:
        self._cancelling = True
        exits.say("The run is being cancelled.")
        self.on_cancel()

    def _start_suspending(self) -> None:
        self._suspending = True
        exits.say("The run is being suspended.")
        left = self._usable_grace
        if self._leave_by is not None:
            left = max(0.0, self._leave_by - time.monotonic())
        self.on_suspend(left)

    def _abandon_flow_at(self, moment: float) -> None:
        """Report a cancelled run whose flow does not end in time, and leave without it."""
        if time.monotonic() < moment:
            return
        self._board.abandon()
        self._submit()
        raise Leave(exits.CANCELLED, "The flow did not end in time after the cancel.")

    # What each stage does with an answer

    def _inquire(self) -> Owned | Reported | Failed:
        standing = inquire(self._run, claim=self._claim, timeout=self._timeout)
        if isinstance(standing, Lost):
            raise Leave(exits.FENCED, standing.sentence)
        return standing

    def _submit(self) -> Failed | None:
        report = self._board.render(terse=self._terse)
        submitted = submit(self._run, report, claim=self._claim, timeout=self._timeout)
        if isinstance(submitted, Lost):
            raise Leave(exits.FENCED, submitted.sentence)
        if isinstance(submitted, Stored):
            return None
        self._terse = self._terse or submitted.indigestible
        return submitted

    @property
    def _timeout(self) -> float | None:
        """How long one request may take: ever shorter, the closer the kubelet's SIGKILL is."""
        if self._leave_by is None:
            return None
        to_sigkill = self._leave_by + self._margin - time.monotonic()
        return max(0.1, min(self._pace.farewell, to_sigkill / 4))

    def _complain(self, what: str, failed: Failed) -> None:
        """Say what goes wrong, once for each cause."""
        if failed.sentence != self._complaint:
            self._complaint = failed.sentence
            exits.say(f"{what}: {failed.sentence}")
