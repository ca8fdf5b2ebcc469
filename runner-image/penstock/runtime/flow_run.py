"""The flow run whose body is running, or whose task's body is; the inner one of sub-flows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from penstock.drivers.run_facts import lineage
from penstock.drivers.scope import current_scope
from penstock.engine.runs import FlowRun
from penstock.runtime.reading import arguments_by_name, flow_around, scope_of_flow, told

__all__ = [
    "flow_name",
    "flow_version",
    "id",
    "name",
    "parameters",
    "parent_deployment_id",
    "parent_flow_run_id",
    "root_flow_run_id",
    "run_count",
    "scheduled_start_time",
    "tags",
]

id: str | None  # noqa: A001 - Prefect's name
name: str | None
flow_name: str | None
flow_version: str | None
"""What ``@flow(version=…)`` says."""
parameters: dict[str, Any]
"""Arguments by name, coerced and with defaults; in a worker process nothing."""
parent_flow_run_id: str | None
"""Of a sub-flow: the flow run whose body, or whose task's body, called it."""
parent_deployment_id: str | None
"""Of a sub-flow: what ``runtime.deployment.id`` tells."""
root_flow_run_id: str | None
run_count: int
"""Number of the attempt, from 1; 0 outside a run."""
scheduled_start_time: datetime | None
"""When the run was due; without a schedule, when it began."""
tags: list[str]


def __getattr__(asked: str) -> Any:
    return told("flow_run", asked, _READERS, flow_around())


def __dir__() -> list[str]:
    return sorted(__all__)


def _around(run: FlowRun | None) -> FlowRun | None:
    return next(iter(lineage(run)[1:]), None) if run else None


def _parent_id(run: FlowRun | None) -> str | None:
    around = _around(run)
    return around.id if around else None


def _parent_deployment_id(run: FlowRun | None) -> str | None:
    return run.deployed.id if run and run.deployed and _around(run) else None


_READERS: dict[str, Callable[[FlowRun | None], object]] = {
    "id": lambda run: run.id if run else None,
    "name": lambda run: run.name if run else None,
    "flow_name": lambda run: run.flow_name if run else None,
    "flow_version": lambda run: run.version if run else None,
    "parameters": lambda _: arguments_by_name(scope_of_flow(current_scope.get())),
    "parent_flow_run_id": _parent_id,
    "parent_deployment_id": _parent_deployment_id,
    "root_flow_run_id": lambda run: lineage(run)[-1].id if run else None,
    "run_count": lambda run: run.run_count if run else 0,
    "scheduled_start_time": lambda run: (run.scheduled_at or run.started_at) if run else None,
    "tags": lambda run: sorted(run.tags) if run else [],
}
