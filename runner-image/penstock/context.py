"""The run around, under the names that Prefect's code imports; ``penstock.runtime`` is shorter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.absent import refuse_absent
from penstock.drivers.scope import current_scope
from penstock.drivers.tagging import tags
from penstock.engine.runs import FlowRun, TaskRun
from penstock.errors import MissingContextError
from penstock.runtime.reading import arguments_by_name, scope_of_flow

__all__ = ["FlowRunContext", "TaskRunContext", "get_run_context", "tags"]


@dataclass(frozen=True, slots=True)
class FlowRunContext:
    """The nearest flow run around, and its arguments by name."""

    flow_run: FlowRun
    parameters: dict[str, Any]

    @property
    def flow(self) -> Any:
        """The flow; ``None`` in a process of a task runner."""
        return self.flow_run.flow

    @classmethod
    def get(cls) -> FlowRunContext | None:
        """Return the context; ``None`` outside a flow."""
        scope = scope_of_flow(current_scope.get())
        if scope is None or not isinstance(scope.run, FlowRun):
            return None
        return cls(scope.run, arguments_by_name(scope))


@dataclass(frozen=True, slots=True)
class TaskRunContext:
    """The task run whose body is running, and its arguments by name."""

    task_run: TaskRun
    parameters: dict[str, Any]

    @property
    def task(self) -> Any:
        """The task; ``None`` in a process of a task runner."""
        return self.task_run.task

    @classmethod
    def get(cls) -> TaskRunContext | None:
        """Return the context; ``None`` outside a task."""
        scope = current_scope.get()
        if scope is None or not isinstance(scope.run, TaskRun):
            return None
        return cls(scope.run, arguments_by_name(scope))


def get_run_context() -> FlowRunContext | TaskRunContext:
    """Return the context of the task, or else of the flow, whose body calls this.

    Raises ``MissingContextError`` outside of one.
    """
    context = TaskRunContext.get() or FlowRunContext.get()
    if context is None:
        raise MissingContextError("get_run_context() belongs inside a flow or task.")
    return context


refuse_absent(globals())
