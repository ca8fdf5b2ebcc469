"""The runs: what the engine knows of a flow run and of a task run, and tells its reporter.

Both are plain records that the engine changes in place; a reporter reads and never writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from penstock.states import State, StateType

if TYPE_CHECKING:
    from penstock.engine.inputs import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What a run is one of: the runs of a Flow in a cluster, or of a deployment that is served."""

    id: str
    name: str
    version: str | None
    """What the author of the flow says."""
    parameters: Mapping[str, object]
    """What the run was given, as it was given."""


class _Told:
    """What hooks read of a run by other names, which are Prefect's."""

    __slots__ = ()

    started_at: datetime | None
    ended_at: datetime | None
    state: State[object]

    @property
    def start_time(self) -> datetime | None:
        """When the first attempt began."""
        return self.started_at

    @property
    def end_time(self) -> datetime | None:
        """When the run ended."""
        return self.ended_at

    @property
    def total_run_time(self) -> timedelta:
        """From the beginning of the first attempt to the end, or to now."""
        if self.started_at is None:
            return timedelta(0)
        return (self.ended_at or self.state.timestamp) - self.started_at

    @property
    def state_name(self) -> str:
        """The name of the state."""
        return self.state.name

    @property
    def state_type(self) -> StateType:
        """The type of the state."""
        return self.state.type


class FlowRun(_Told):
    """One run of a flow or of a sub-flow."""

    __slots__ = (
        "call_path",
        "deployed",
        "ended_at",
        "flow",
        "flow_name",
        "id",
        "name",
        "parameters",
        "parent",
        "run_count",
        "scheduled_at",
        "started_at",
        "state",
        "tags",
        "version",
    )

    def __init__(
        self,
        run_id: str,
        *,
        name: str,
        flow_name: str,
        parent: FlowRun | TaskRun | None,
        state: State[object],
        tags: frozenset[str] = frozenset(),
        version: str | None = None,
        deployed: Deployed | None = None,
        scheduled_at: datetime | None = None,
        flow: Any = None,
    ) -> None:
        self.id = run_id
        """Unique: of the root as given, of a sub-flow ``<parent's id>/<flow's name>-<number>``."""
        self.name = name
        self.flow_name = flow_name
        self.flow = flow
        """What is run; ``None`` where that is elsewhere."""
        self.parameters: Mapping[str, object] = {}
        """Arguments by name, defaults included; known once there are values for all."""
        self.version = version
        """The flow's, where its author gave it one."""
        self.deployed = deployed
        self.scheduled_at = scheduled_at
        """When it was due, if a schedule started it."""
        self.call_path: str | None = None
        """See ``penstock.drivers.call_path``; set once somebody asks."""
        self.tags = tags
        self.parent = parent
        """The run whose body called this one; ``None`` for the root."""
        self.run_count = 0
        """How many attempts began; above 1 the run is being retried."""
        self.state = state
        self.started_at: datetime | None = None
        """When the first attempt began."""
        self.ended_at: datetime | None = None

    @property
    def expected_start_time(self) -> datetime | None:
        """When it was due, if a schedule started it; else when it began."""
        return self.scheduled_at or self.started_at


class TaskRun(_Told):
    """One run of a task."""

    __slots__ = (
        "awaits",
        "call_path",
        "ended_at",
        "flow_run",
        "heartbeat",
        "id",
        "name",
        "parent",
        "run_count",
        "started_at",
        "state",
        "tags",
        "task",
        "task_name",
    )

    def __init__(
        self,
        run_id: str,
        *,
        name: str,
        task_name: str,
        flow_run: FlowRun | None,
        parent: FlowRun | TaskRun | None,
        tags: frozenset[str],
        state: State[object],
        task: Any = None,
    ) -> None:
        self.id = run_id
        """Unique: ``<flow run's id>/<task's name>-<number>``, counted from 0 in the flow run."""
        self.name = name
        """``<task's name>-<number>``, or what ``task_run_name`` makes of it."""
        self.task_name = task_name
        self.task = task
        """What is run; ``None`` where that is elsewhere."""
        self.call_path: str | None = None
        """See ``penstock.drivers.call_path``; set once somebody asks."""
        self.tags = tags
        self.flow_run = flow_run
        """The nearest flow run around it; ``None`` for a task called outside any flow."""
        self.parent = parent
        """The run whose body called this one."""
        self.heartbeat: object = None
        """The payload of the last one that its attempts sent in this process."""
        self.awaits: Sequence[Link] = ()
        """Futures without which it cannot go on now: its inputs, or what its body waits for."""
        self.run_count = 0
        """How many attempts began; above 1 the task is being retried."""
        self.state = state
        self.started_at: datetime | None = None
        """When the first attempt began."""
        self.ended_at: datetime | None = None

    @property
    def flow_run_id(self) -> str | None:
        """Id of the nearest flow run around it."""
        return self.flow_run.id if self.flow_run else None


class Reporter(Protocol):
    """Hears of every change of state, while it happens and in the thread where it happens.

    Calls may come from many threads at once and hold the run up while they last; what they
    raise is logged. The first change heard of a run is its creation: ``Pending`` for a submitted
    task, ``Running`` for one that is called.
    """

    def flow_run_changed(self, run: FlowRun, state: State[object]) -> None:
        """Take note that ``run`` entered ``state``; ``run.parent`` is set for a sub-flow."""

    def task_run_changed(self, run: TaskRun, state: State[object]) -> None:
        """Take note that ``run`` entered ``state``."""


@runtime_checkable
class BeatReporter(Protocol):
    """A reporter that wants to hear of heartbeats, too; of at most one a second for each task."""

    def heartbeat_sent(self, run: TaskRun) -> None:
        """Take note of ``run.heartbeat``."""
