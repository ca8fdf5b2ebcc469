"""Whether the running code holds slots of a limit: then others may be waiting for it to end."""

from __future__ import annotations

from contextvars import ContextVar

from penstock.drivers.scope import Scope

holding: ContextVar[int] = ContextVar("penstock_holding", default=0)
"""How many blocks around hold slots."""


def holds_slots(scope: Scope | None) -> bool:
    """Tell whether the code, or a task whose body it is part of, holds slots."""
    while scope is not None:
        if scope.holds_slots:
            return True
        scope = scope.parent
    return holding.get() > 0
