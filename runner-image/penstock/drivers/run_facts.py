"""What travels of a run to where a body of it runs, so that ``penstock.runtime`` tells it there."""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import NamedTuple

from penstock.drivers.call_path import call_path
from penstock.drivers.scope import Scope
from penstock.engine.runs import Deployed, FlowRun, TaskRun
from penstock.states import Running


class TaskFacts(NamedTuple):
    """A task run, as its body may see it."""

    id: str
    name: str
    task_name: str
    tags: frozenset[str]
    run_count: int
    call_path: str | None
    flow_run: FlowFacts | None
    heartbeat: bytes | None
    """The last payload, if there is one."""


class FlowFacts(NamedTuple):
    """The flow run around it; what called that in turn is known by its ids."""

    id: str
    name: str
    flow_name: str
    version: str | None
    tags: frozenset[str]
    run_count: int
    started_at: datetime | None
    scheduled_at: datetime | None
    deployed: Deployed | None
    around: tuple[str, ...]
    """Ids of the flow runs around this one, the root last."""
    call_path: str


def facts_of(scope: Scope) -> TaskFacts:
    """Return what a body elsewhere is told of the attempt that has this scope."""
    run, parent = scope.run, scope.parent
    assert isinstance(run, TaskRun), "only tasks run elsewhere"
    known = run.call_path
    if known is None and parent is not None and parent.journal is not None:
        known = call_path(scope)  # the journal has drawn the key
    flow_run = None
    if run.flow_run is not None and parent is not None:
        flow_run = _flow_facts(run.flow_run, call_path(parent))
    return TaskFacts(
        run.id,
        run.name,
        run.task_name,
        run.tags,
        run.run_count,
        known,
        flow_run,
        _last_beat(scope, run),
    )


def _last_beat(scope: Scope, run: TaskRun) -> bytes | None:
    if run.run_count == 1 and scope.journal is None:
        return None
    from penstock.drivers.beats import last_beat

    payload = last_beat(scope)
    if payload is None:
        return None
    import cloudpickle

    packed: bytes = cloudpickle.dumps(payload)
    return packed


def _flow_facts(run: FlowRun, path: str) -> FlowFacts:
    return FlowFacts(
        run.id,
        run.name,
        run.flow_name,
        run.version,
        run.tags,
        run.run_count,
        run.started_at,
        run.scheduled_at,
        run.deployed,
        tuple(each.id for each in lineage(run)[1:]),
        path,
    )


def lineage(run: FlowRun) -> list[FlowRun]:
    """Return the run and the flow runs around it, the root last."""
    found = []
    around: FlowRun | None = run
    while around is not None:
        found.append(around)
        parent = around.parent
        around = parent.flow_run if isinstance(parent, TaskRun) else parent
    return found


def task_run_of(facts: TaskFacts) -> TaskRun:
    """Return a task run that tells the same."""
    flow_run = _flow_run_of(facts.flow_run) if facts.flow_run else None
    run = TaskRun(
        facts.id,
        name=facts.name,
        task_name=facts.task_name,
        flow_run=flow_run,
        parent=flow_run,
        tags=facts.tags,
        state=Running(),
    )
    run.run_count, run.call_path = facts.run_count, facts.call_path
    if facts.heartbeat is not None:
        run.heartbeat = pickle.loads(facts.heartbeat)  # noqa: S301 - the driver's
    return run


def _flow_run_of(facts: FlowFacts) -> FlowRun:
    parent: FlowRun | None = None
    for run_id in reversed(facts.around):
        parent = FlowRun(run_id, name=run_id, flow_name="", parent=parent, state=Running())
    run = FlowRun(
        facts.id,
        name=facts.name,
        flow_name=facts.flow_name,
        parent=parent,
        state=Running(),
        tags=facts.tags,
        version=facts.version,
        deployed=facts.deployed,
        scheduled_at=facts.scheduled_at,
    )
    run.run_count, run.started_at, run.call_path = (
        facts.run_count,
        facts.started_at,
        facts.call_path,
    )
    return run
