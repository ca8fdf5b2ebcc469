"""The logs of runs: every line names the run that wrote it.

Penstock logs under ``penstock.flow_runs`` and ``penstock.task_runs``. A program that sets up
logging gets these records like any other library's; only where none is set up does the first run
add a handler of its own to the logger ``penstock``, so that a script shows its log at once. The
root logger is never touched.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from penstock.absent import refuse_absent
from penstock.drivers.runlog import FLOW_RUNS, TASK_RUNS, extra_of
from penstock.drivers.scope import current_scope
from penstock.engine.runs import FlowRun, TaskRun
from penstock.errors import MissingContextError

__all__ = ["configure", "disable_run_logger", "get_logger", "get_run_logger"]

_PENSTOCK = logging.getLogger("penstock")
_SILENT = ContextVar("disable_run_logger", default=False)


def get_run_logger() -> logging.LoggerAdapter[logging.Logger]:
    """Return the logger of the flow or task whose body calls this.

    Raises ``MissingContextError`` outside of one.
    """
    scope = current_scope.get()
    if scope is None and _SILENT.get():
        return logging.LoggerAdapter(TASK_RUNS, {})
    if scope is None:
        raise MissingContextError(
            "get_run_logger() belongs inside a flow or task; use logging.getLogger elsewhere."
        )
    return _RunLogger(scope.run)


def get_logger(name: str | None = None) -> logging.Logger:
    """Return a logger below ``penstock``, whose records go where those of runs do."""
    if name is None or name == _PENSTOCK.name or name.startswith(f"{_PENSTOCK.name}."):
        return logging.getLogger(name or _PENSTOCK.name)
    return _PENSTOCK.getChild(name)


@contextmanager
def disable_run_logger() -> Iterator[None]:
    """Silence the logs of runs, and let ``get_run_logger`` work outside of runs.

    For tests that call ``my_task.fn`` of a task that logs.
    """
    before = FLOW_RUNS.disabled, TASK_RUNS.disabled
    silent = _SILENT.set(True)
    FLOW_RUNS.disabled = TASK_RUNS.disabled = True
    try:
        yield
    finally:
        FLOW_RUNS.disabled, TASK_RUNS.disabled = before
        _SILENT.reset(silent)


class _RunLogger(logging.LoggerAdapter[logging.Logger]):
    def __init__(self, run: FlowRun | TaskRun) -> None:
        super().__init__(TASK_RUNS if isinstance(run, TaskRun) else FLOW_RUNS, extra_of(run))

    def process(
        self, msg: object, kwargs: MutableMapping[str, Any]
    ) -> tuple[object, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


class _RunHandler(logging.StreamHandler[TextIO]):
    """Writes to the standard stream of the moment, unless the program set up logging since."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream or sys.stderr)
        self._follows_stderr = stream is None
        self.setFormatter(_RunFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        if self._follows_stderr:
            if logging.getLogger().handlers:
                return
            self.stream = sys.stderr
        super().emit(record)


class _RunFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)-7s %(run)s%(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        name = getattr(record, "run_name", "")
        record.run = f"{name} | " if name else ""
        return super().format(record)


def configure(*, stream: TextIO | None = None, level: str | int = "INFO") -> None:
    """Write the logs of all runs to ``stream`` (stderr when ``None``), and nowhere else.

    Replaces what an earlier call set up.
    """
    for handler in list(_PENSTOCK.handlers):
        if isinstance(handler, _RunHandler):
            _PENSTOCK.removeHandler(handler)
    _PENSTOCK.addHandler(_RunHandler(stream))
    _PENSTOCK.setLevel(level)
    _PENSTOCK.propagate = stream is None


def show_by_default() -> None:
    """Make the logs of runs visible in a program that has set up no logging."""
    if not _PENSTOCK.hasHandlers():
        configure(level=_PENSTOCK.level or "INFO")


refuse_absent(globals())
