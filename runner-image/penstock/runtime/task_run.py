"""The task run whose body is running; in a flow's own body there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.absent import advice_on_name
from penstock.drivers.scope import current_scope
from penstock.engine.runs import TaskRun
from penstock.runtime.reading import arguments_by_name

__all__ = ["id", "name", "parameters", "run_count", "tags", "task_name"]

id: str | None  # noqa: A001 - Prefect's name
name: str | None
task_name: str | None
parameters: dict[str, Any]
"""Arguments by name, with defaults; values in the place of futures."""
run_count: int
"""Number of the attempt, from 1; 0 outside a task."""
tags: list[str]


def __getattr__(asked: str) -> Any:
    read = _READERS.get(asked)
    if read is None:
        raise AttributeError(
            advice_on_name(__name__, asked)
            or f"penstock.runtime.task_run has no {asked!r}; it has {', '.join(__all__)}."
        )
    scope = current_scope.get()
    return read(scope.run if scope is not None and isinstance(scope.run, TaskRun) else None)


def __dir__() -> list[str]:
    return sorted(__all__)


_READERS: dict[str, Callable[[TaskRun | None], object]] = {
    "id": lambda run: run.id if run else None,
    "name": lambda run: run.name if run else None,
    "task_name": lambda run: run.task_name if run else None,
    "parameters": lambda run: arguments_by_name(current_scope.get() if run else None),
    "run_count": lambda run: run.run_count if run else 0,
    "tags": lambda run: sorted(run.tags) if run else [],
}
