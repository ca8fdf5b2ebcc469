"""How a Schedule goes on from where its status says it stands: one moment after the other.

A course is what one plan changes step by step before it is written down as one status.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from penstock_operator.model.schedule import OverlapPolicy, Schedule, ScheduleStatus, Start
from penstock_operator.model.states import State
from penstock_operator.reconcile.scheduling.observed import ScheduledRun
from penstock_operator.reconcile.scheduling.rules import run_name

LISTED_RUNS = 100
_BUFFERS = {OverlapPolicy.BUFFER_ONE: 1, OverlapPolicy.BUFFER_ALL: 1000}
"""How many moments may wait."""


@dataclass(slots=True)
class Course:
    """What is decided so far."""

    schedule: Schedule
    now: datetime
    runs: tuple[ScheduledRun, ...]
    """The unfinished runs, but those of backfills."""
    decided_through: datetime
    last_tick: datetime | None
    buffered: list[datetime]
    starting: tuple[datetime, ...]
    """Moments whose runs were decided on and do not exist yet."""
    started: int
    skipped: Counter[str]
    failures: int
    starts: list[datetime] = field(default_factory=list)
    """The moments whose runs are to be made now."""
    again_at: list[datetime] = field(default_factory=list)
    """When to look again."""

    @classmethod
    def of(
        cls,
        schedule: Schedule,
        *,
        runs: Iterable[ScheduledRun],
        starting: Iterable[Start],
        now: datetime,
    ) -> "Course":
        """Begin where the status says that the schedule stands."""
        status = schedule.status
        created = schedule.metadata.creation_timestamp or now
        return cls(
            schedule=schedule,
            now=now,
            runs=tuple(each for each in runs if not each.backfill),
            decided_through=status.decided_through or created,
            last_tick=status.last_tick,
            buffered=list(status.buffered),
            starting=tuple(each.at for each in starting if not each.backfill),
            started=status.started,
            skipped=Counter(status.skipped),
            failures=status.failures_in_a_row,
        )

    @property
    def active(self) -> list[str]:
        """The runs that go on once this plan is carried out."""
        made = (
            run_name(self.schedule.metadata.name, each) for each in (*self.starting, *self.starts)
        )
        return sorted({*(each.name for each in self.runs), *made})

    def count_endings(self, outcomes: Iterable[State | None]) -> None:
        """Take in how runs have ended, in the order of their moments."""
        for state in outcomes:
            if state == State.COMPLETED:
                self.failures = 0
            elif state in (State.FAILED, State.CRASHED):
                self.failures += 1

    def skip(self, moments: int, reason: str) -> None:
        """Count moments that get no run."""
        if moments:
            self.skipped[reason] += moments

    def start(self, moment: datetime) -> None:
        """Make the run of a moment."""
        self.starts.append(moment)
        self.started += 1
        self.last_tick = max(moment, self.last_tick or moment)

    def admit(self, moment: datetime) -> None:
        """Decide about a moment that is due, as the overlap policy has it."""
        policy = self.schedule.spec.overlap_policy
        if policy in (OverlapPolicy.ALLOW, OverlapPolicy.TERMINATE_RUNNING) or self._is_free:
            self.start(moment)
        elif policy == OverlapPolicy.CANCEL_RUNNING:
            self.skip(len(self.buffered), "Overlap")
            self.buffered = [moment]
        elif len(self.buffered) < _BUFFERS.get(policy, 0):
            self.buffered.append(moment)
        else:
            self.skip(1, "BufferFull" if policy == OverlapPolicy.BUFFER_ALL else "Overlap")

    @property
    def _goes_on(self) -> bool:
        """Whether a run of the schedule is at work, or is about to be."""
        return bool(self.runs or self.starting or self.starts)

    @property
    def _is_free(self) -> bool:
        return not self._goes_on and not self.buffered

    def drain(self) -> None:
        """Start the first run that waits if nothing goes on any more."""
        if self.buffered and not self._goes_on:
            self.start(self.buffered.pop(0))

    def superseded(self) -> tuple[ScheduledRun, ...]:
        """Return the runs that the policy cancels in favour of a later one."""
        policy = self.schedule.spec.overlap_policy
        latest = None
        if policy == OverlapPolicy.CANCEL_RUNNING and self.buffered:
            latest = self.buffered[-1]
        elif policy == OverlapPolicy.TERMINATE_RUNNING:
            latest = self.last_tick
        if latest is None:
            return ()
        return tuple(
            each
            for each in self.runs
            if not each.cancelled and each.moment is not None and each.moment < latest
        )

    def status(self, **changes: object) -> ScheduleStatus:
        """Write it down."""
        active = self.active
        return self.schedule.status.model_copy(
            update={
                "observed_generation": self.schedule.metadata.generation,
                "decided_through": self.decided_through.replace(microsecond=0),
                "last_tick": self.last_tick,
                "buffered": tuple(self.buffered),
                "active": tuple(active[:LISTED_RUNS]),
                "active_runs": len(active),
                "started": self.started,
                "skipped": dict(sorted(self.skipped.items())),
                "failures_in_a_row": self.failures,
                **changes,
            }
        )
