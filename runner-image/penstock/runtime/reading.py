"""From the scope of the running body to what is told about it."""

from __future__ import annotations

import inspect

from penstock.drivers.scope import Scope
from penstock.engine.runs import FlowRun


def scope_of_flow(scope: Scope | None) -> Scope | None:
    """Return the scope of the nearest flow around; ``None`` outside any."""
    while scope is not None and not isinstance(scope.run, FlowRun):
        scope = scope.parent
    return scope


def arguments_by_name(scope: Scope | None) -> dict[str, object]:
    """Return what the scope's body was called with, defaults included."""
    if scope is None:
        return {}
    args, kwargs = scope.arguments
    bound = inspect.signature(scope.body).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)
