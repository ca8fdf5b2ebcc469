"""A reporter that writes what a person following a run wants to read into its log."""

from __future__ import annotations

import logging

from penstock.engine.runs import FlowRun, TaskRun
from penstock.states import State, StateType

FLOW_RUNS = logging.getLogger("penstock.flow_runs")
TASK_RUNS = logging.getLogger("penstock.task_runs")

_LEVELS = {
    StateType.RUNNING: logging.DEBUG,
    StateType.COMPLETED: logging.DEBUG,
    StateType.SCHEDULED: logging.WARNING,
    StateType.FAILED: logging.ERROR,
    StateType.CRASHED: logging.ERROR,
    StateType.CANCELLED: logging.WARNING,
}


class RunLog:
    """Logs retries and unsuccessful ends; a flow's beginning and end; the rest for debugging."""

    def flow_run_changed(self, run: FlowRun, state: State[object]) -> None:
        """Log the flow run's state."""
        level = max(_LEVELS.get(state.type, logging.DEBUG), logging.INFO)
        if FLOW_RUNS.isEnabledFor(level):
            FLOW_RUNS.log(level, "%s", _sentence(state), extra=extra_of(run))

    def task_run_changed(self, run: TaskRun, state: State[object]) -> None:
        """Log the task run's state."""
        level = _LEVELS.get(state.type, logging.DEBUG)
        if TASK_RUNS.isEnabledFor(level):
            TASK_RUNS.log(level, "%s", _sentence(state), extra=extra_of(run))


def _sentence(state: State[object]) -> str:
    return f"{state.name}: {state.message}" if state.message else state.name


def complain(run: FlowRun | TaskRun, message: str, *, error: BaseException | None = None) -> None:
    """Log what went wrong without failing the run: a warning, or an error with its traceback."""
    logger = TASK_RUNS if isinstance(run, TaskRun) else FLOW_RUNS
    level = logging.WARNING if error is None else logging.ERROR
    logger.log(level, "%s", message, exc_info=error, extra=extra_of(run))


def rolled_back(run: FlowRun | TaskRun | None) -> None:
    """Log that what the run did was rolled back."""
    logger = TASK_RUNS if isinstance(run, TaskRun) else FLOW_RUNS
    logger.info("Rolled back.", extra=extra_of(run))


def extra_of(run: FlowRun | TaskRun | None) -> dict[str, str]:
    """Return what a log record says of the run that it belongs to."""
    if isinstance(run, TaskRun):
        flow_run = run.flow_run.name if run.flow_run else ""
        return {"flow_run_name": flow_run, "task_run_name": run.name, "run_name": run.name}
    if isinstance(run, FlowRun):
        return {"flow_run_name": run.name, "task_run_name": "", "run_name": run.name}
    return {}


RUN_LOG = RunLog()
