"""A pure fold of state changes: how many task runs there are, in which states, the last moves.

It keeps one word per task run that is in flight, a few numbers per task name, and a number per task
run that has ended: another attempt of the flow tells of it again, and may make a failure good.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from penstock.engine.runs import TaskRun
from penstock.runner.record_index import RecordIndex
from penstock.states import TERMINAL_STATES, State, StateType

RECENT = 20
MESSAGE = 512
UNSUCCESSFUL = frozenset({StateType.FAILED, StateType.CRASHED, StateType.CANCELLED})


@dataclass(slots=True)
class TaskCount:
    """The runs of one task."""

    name: str
    total: int = 0
    completed: int = 0
    running: int = 0
    failed: int = 0
    cancelled: int = 0

    def count(self, kind: StateType, step: int) -> None:
        """Take one run into account, or out of it."""
        match kind:
            case StateType.COMPLETED:
                self.completed += step
            case StateType.RUNNING:
                self.running += step
            case StateType.FAILED | StateType.CRASHED:
                self.failed += step
            case StateType.CANCELLED:
                self.cancelled += step

    def add(self, other: TaskCount) -> None:
        """Add another task's runs to these."""
        self.total += other.total
        self.completed += other.completed
        self.running += other.running
        self.failed += other.failed
        self.cancelled += other.cancelled


@dataclass(frozen=True, slots=True)
class Move:
    """A task run that entered a state."""

    name: str
    state: str
    at: datetime
    duration_seconds: float | None
    message: str


class Tally:
    """What is known of the task runs of a flow."""

    def __init__(self) -> None:
        self.tasks: dict[str, TaskCount] = {}
        self.counts: Counter[StateType] = Counter()
        self.records = RecordIndex()
        self._unfinished: dict[str, StateType] = {}
        self._ended: dict[int, StateType] = {}
        self._recent: dict[str, Move] = {}

    @property
    def known(self) -> int:
        """How many task runs there are."""
        return sum(self.counts.values())

    @property
    def finished(self) -> int:
        """How many of them will never move again."""
        return sum(self.counts[kind] for kind in TERMINAL_STATES)

    @property
    def recent(self) -> list[Move]:
        """The task runs that moved last, the latest at the end."""
        return list(self._recent.values())

    def move(self, run: TaskRun, state: State[object]) -> None:
        """Take note that a task run entered a state."""
        task = self.tasks.get(run.task_name)
        if task is None:
            task = self.tasks[run.task_name] = TaskCount(run.task_name)
        before = self._unfinished.pop(run.id, None) or self._ended.pop(hash(run.id), None)
        if before is None:
            task.total += 1
        else:
            self.counts[before] -= 1
            task.count(before, -1)
        self.counts[state.type] += 1
        task.count(state.type, 1)
        if state.type in TERMINAL_STATES:
            self._ended[hash(run.id)] = state.type
        else:
            self._unfinished[run.id] = state.type
        self._remember(run, state)

    def beat(self, run: TaskRun) -> None:
        """Take note of how far a task run says that it is."""
        before = self._recent.pop(run.id, None)
        if before is not None:
            says = run.heartbeat if isinstance(run.heartbeat, str) else repr(run.heartbeat)
            self._recent[run.id] = replace(before, message=says[:MESSAGE])

    def _remember(self, run: TaskRun, state: State[object]) -> None:
        self._recent.pop(run.id, None)
        self._recent[run.id] = Move(
            name=run.name,
            state=state.name,
            at=state.timestamp,
            duration_seconds=_duration(run) if state.type in TERMINAL_STATES else None,
            message=state.message[:MESSAGE] if state.type in UNSUCCESSFUL else "",
        )
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]


def _duration(run: TaskRun) -> float | None:
    if run.started_at is None or run.ended_at is None:
        return None
    return max(0.0, (run.ended_at - run.started_at).total_seconds())
