"""The flow run whose body is running, or whose task's body is; the inner one of sub-flows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from penstock.absent import advice_on_name
from penstock.drivers.scope import current_scope
from penstock.engine.runs import FlowRun
from penstock.runtime.reading import arguments_by_name, scope_of_flow

__all__ = [
    "flow_name",
    "id",
    "name",
    "parameters",
    "parent_flow_run_id",
    "root_flow_run_id",
    "run_count",
    "scheduled_start_time",
    "tags",
]

id: str | None  # noqa: A001 - Prefect's name
name: str | None
flow_name: str | None
parameters: dict[str, Any]
"""Arguments by name, coerced and with defaults."""
parent_flow_run_id: str | None
"""Of a sub-flow: the flow run whose body, or whose task's body, called it."""
root_flow_run_id: str | None
run_count: int
"""Number of the attempt, from 1; 0 outside a run."""
scheduled_start_time: datetime | None
"""When the run was to begin: without a schedule, when it did."""
tags: list[str]


def __getattr__(asked: str) -> Any:
    read = _READERS.get(asked)
    if read is None:
        raise AttributeError(
            advice_on_name(__name__, asked)
            or f"penstock.runtime.flow_run has no {asked!r}; it has {', '.join(__all__)}."
        )
    return read(_current())


def __dir__() -> list[str]:
    return sorted(__all__)


def _current() -> FlowRun | None:
    scope = scope_of_flow(current_scope.get())
    return scope.run if scope is not None and isinstance(scope.run, FlowRun) else None


def _lineage(run: FlowRun | None) -> list[FlowRun]:
    """Return the run and the flow runs around it, the root last."""
    lineage: list[FlowRun] = []
    around = run
    while around is not None:
        lineage.append(around)
        parent = around.parent
        around = parent if isinstance(parent, FlowRun) or parent is None else parent.flow_run
    return lineage


def _parent_id(run: FlowRun | None) -> str | None:
    lineage = _lineage(run)
    return lineage[1].id if len(lineage) > 1 else None


def _root_id(run: FlowRun | None) -> str | None:
    return _lineage(run)[-1].id if run else None


_READERS: dict[str, Callable[[FlowRun | None], object]] = {
    "id": lambda run: run.id if run else None,
    "name": lambda run: run.name if run else None,
    "flow_name": lambda run: run.flow_name if run else None,
    "parameters": lambda _: arguments_by_name(scope_of_flow(current_scope.get())),
    "parent_flow_run_id": _parent_id,
    "root_flow_run_id": _root_id,
    "run_count": lambda run: run.run_count if run else 0,
    "scheduled_start_time": lambda run: run.started_at if run else None,
    "tags": lambda run: sorted(run.tags) if run else [],
}
