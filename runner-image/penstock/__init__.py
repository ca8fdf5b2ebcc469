"""Penstock: Python flows as Kubernetes objects; in process without one.

    from penstock import flow, task

Everything here is imported when it is first used, so that ``import penstock`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock._version import __version__

if TYPE_CHECKING:
    from penstock import concurrency, runtime
    from penstock.annotations import allow_failure, quote, unmapped
    from penstock.concurrency.sync import rate_limit
    from penstock.drivers.tagging import tags
    from penstock.flows import Flow, flow
    from penstock.futures import PenstockFuture, as_completed, wait
    from penstock.logging import get_run_logger
    from penstock.serving import serve
    from penstock.states import State
    from penstock.tasks import Task, exponential_backoff, task
    from penstock.variables import Variable

__all__ = [
    "Flow",
    "PenstockFuture",
    "State",
    "Task",
    "Variable",
    "__version__",
    "allow_failure",
    "as_completed",
    "concurrency",
    "exponential_backoff",
    "flow",
    "get_run_logger",
    "quote",
    "rate_limit",
    "runtime",
    "serve",
    "tags",
    "task",
    "unmapped",
    "wait",
]

_HOMES = {
    "Flow": "flows",
    "PenstockFuture": "futures",
    "State": "states",
    "Task": "tasks",
    "Variable": "variables",
    "allow_failure": "annotations",
    "as_completed": "futures",
    "exponential_backoff": "tasks",
    "flow": "flows",
    "get_run_logger": "logging",
    "quote": "annotations",
    "serve": "serving",
    "rate_limit": "concurrency.sync",
    "tags": "drivers.tagging",
    "task": "tasks",
    "unmapped": "annotations",
    "wait": "futures",
}
_MODULES = {"concurrency", "runtime"}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None and name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if home is None:
        return import_module(f"{__name__}.{name}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
