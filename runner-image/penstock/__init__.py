"""Penstock: Python flows as Kubernetes objects; in process without one.

    from penstock import flow, task

Everything here is imported when it is first used, so that ``import penstock`` costs nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from penstock._version import __version__

if TYPE_CHECKING:
    from penstock import concurrency, runtime
    from penstock.annotations import allow_failure, opaque, quote, unmapped
    from penstock.children import ChildRun, run_flow
    from penstock.concurrency.sync import rate_limit
    from penstock.continuing import continue_as_new
    from penstock.deploying import deploy
    from penstock.drivers.tagging import tags
    from penstock.files import File
    from penstock.flows import Flow, flow
    from penstock.futures import PenstockFuture, as_completed, wait
    from penstock.heartbeats import heartbeat
    from penstock.input import (
        pause_flow_run,
        suspend_flow_run,
        wait_for_input,
        wait_for_signal,
        wait_for_update,
    )
    from penstock.logging import get_run_logger
    from penstock.patches import patched
    from penstock.published import get_state_value, set_state_value
    from penstock.recorded import now, random, uuid4
    from penstock.scopes import scope
    from penstock.serving import serve
    from penstock.states import State
    from penstock.tasks import Task, exponential_backoff, task
    from penstock.transactions import Transaction, transaction
    from penstock.variables import Variable
    from penstock.waits import sleep, sleep_until

__all__ = [
    "ChildRun",
    "File",
    "Flow",
    "PenstockFuture",
    "State",
    "Task",
    "Transaction",
    "Variable",
    "__version__",
    "allow_failure",
    "as_completed",
    "concurrency",
    "continue_as_new",
    "deploy",
    "exponential_backoff",
    "flow",
    "get_run_logger",
    "get_state_value",
    "heartbeat",
    "now",
    "opaque",
    "patched",
    "pause_flow_run",
    "quote",
    "random",
    "rate_limit",
    "run_flow",
    "runtime",
    "scope",
    "serve",
    "set_state_value",
    "sleep",
    "sleep_until",
    "suspend_flow_run",
    "tags",
    "task",
    "transaction",
    "unmapped",
    "uuid4",
    "wait",
    "wait_for_input",
    "wait_for_signal",
    "wait_for_update",
]

_HOMES = {
    "File": "files",
    "ChildRun": "children",
    "Flow": "flows",
    "PenstockFuture": "futures",
    "State": "states",
    "Task": "tasks",
    "Transaction": "transactions",
    "Variable": "variables",
    "allow_failure": "annotations",
    "as_completed": "futures",
    "continue_as_new": "continuing",
    "deploy": "deploying",
    "exponential_backoff": "tasks",
    "flow": "flows",
    "get_run_logger": "logging",
    "heartbeat": "heartbeats",
    "get_state_value": "published",
    "opaque": "annotations",
    "quote": "annotations",
    "now": "recorded",
    "patched": "patches",
    "random": "recorded",
    "uuid4": "recorded",
    "scope": "scopes",
    "serve": "serving",
    "set_state_value": "published",
    "rate_limit": "concurrency.sync",
    "run_flow": "children",
    "pause_flow_run": "input",
    "sleep": "waits",
    "sleep_until": "waits",
    "suspend_flow_run": "input",
    "wait_for_input": "input",
    "wait_for_signal": "input",
    "wait_for_update": "input",
    "tags": "drivers.tagging",
    "task": "tasks",
    "transaction": "transactions",
    "unmapped": "annotations",
    "wait": "futures",
}
_MODULES = {"concurrency", "runtime"}


def _found(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        from penstock.absent import refuse_name

        refuse_name(__name__, name)
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})


class _AbsentModules:
    """Is asked for modules that nobody else finds, and refuses those of Prefect's in words."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name.startswith(f"{__name__}."):
            from penstock.absent import refuse_module

            refuse_module(name)


sys.meta_path.append(_AbsentModules)
globals()["__getattr__"] = _found  # unseen by type checkers, which would take every name
