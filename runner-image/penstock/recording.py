"""Whose record it is that ``penstock.artifacts`` and ``penstock.events`` add to."""

from __future__ import annotations

from typing import TypedDict

from penstock.drivers.scope import Scope, enter_engine
from penstock.engine.runs import TaskRun
from penstock.errors import MissingContextError


class Makers(TypedDict):
    """The runs whose body makes a record."""

    flow_run_id: str | None
    task_run_id: str | None


def scope_of_maker(what: str) -> Scope:
    """Return the scope of the body that makes a record."""
    scope = enter_engine()
    if scope is None:
        raise MissingContextError(
            f"{what} belongs inside a flow or task: its run keeps the record."
        )
    return scope


def makers(scope: Scope) -> Makers:
    """Return the ids of the task run and of the flow run that the body belongs to."""
    run = scope.run
    if isinstance(run, TaskRun):
        return {"flow_run_id": run.flow_run.id if run.flow_run else None, "task_run_id": run.id}
    return {"flow_run_id": run.id, "task_run_id": None}
