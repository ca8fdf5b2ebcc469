"""The task run whose body is running; in a flow's own body there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.drivers.scope import Scope, current_scope
from penstock.engine.runs import TaskRun
from penstock.runtime.reading import arguments_by_name, told

__all__ = [
    "heartbeat",
    "id",
    "idempotency_key",
    "name",
    "parameters",
    "run_count",
    "tags",
    "task_name",
]

id: str | None  # noqa: A001 - Prefect's name
name: str | None
task_name: str | None
idempotency_key: str | None
"""The same at every attempt of the task, in every process that goes on with the run and in its
reruns, and no other call's: give it to a system outside, which then does the work once."""
heartbeat: Any
"""The last payload that ``penstock.heartbeat`` was given, by this attempt or one before it, in this
process or an earlier one; ``None`` if there is none."""
parameters: dict[str, Any]
"""Arguments by name, with defaults; values in the place of futures."""
run_count: int
"""Number of the attempt, from 1; 0 outside a task."""
tags: list[str]


def __getattr__(asked: str) -> Any:
    scope = current_scope.get()
    inside = scope is not None and isinstance(scope.run, TaskRun)
    return told("task_run", asked, _READERS, scope if inside else None)


def __dir__() -> list[str]:
    return sorted(__all__)


def _idempotency_key(scope: Scope | None) -> str | None:
    if scope is None:
        return None
    from penstock.drivers.call_path import idempotency_key as key_of

    return key_of(scope)


def _last_heartbeat(scope: Scope | None) -> object:
    if scope is None:
        return None
    from penstock.drivers.beats import last_beat

    return last_beat(scope)


_READERS: dict[str, Callable[[Scope | None], object]] = {
    "id": lambda scope: scope.run.id if scope else None,
    "name": lambda scope: scope.run.name if scope else None,
    "task_name": lambda scope: getattr(scope.run, "task_name", None) if scope else None,
    "heartbeat": _last_heartbeat,
    "idempotency_key": _idempotency_key,
    "parameters": arguments_by_name,
    "run_count": lambda scope: scope.run.run_count if scope else 0,
    "tags": lambda scope: sorted(scope.run.tags) if scope else [],
}
