"""From the scope of the running body to what is told about it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from penstock.absent import advice_on_name
from penstock.drivers.scope import Scope, current_scope
from penstock.engine.runs import FlowRun

T = TypeVar("T")


def told(module: str, asked: str, readers: Mapping[str, Callable[[T], object]], about: T) -> object:
    """Return what a module of ``penstock.runtime`` tells under a name.

    A test may put something else in its place: ``PENSTOCK__RUNTIME__FLOW_RUN__NAME=daily``.
    """
    stand_in = os.environ.get(f"PENSTOCK__RUNTIME__{module}__{asked}".upper())
    read = readers.get(asked)
    if read is not None:
        value = read(about)
        return value if stand_in is None else _like(value, stand_in, asked=asked)
    if stand_in is None or asked.startswith("_"):
        raise AttributeError(
            advice_on_name(f"penstock.runtime.{module}", asked)
            or f"penstock.runtime.{module} has no {asked!r}; it has {', '.join(sorted(readers))}."
        )
    return stand_in


def _like(value: object, text: str, *, asked: str) -> object:
    """Return a text as a value of the type that it takes the place of."""
    if isinstance(value, datetime):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, int | float | str):
        return type(value)(text)
    if value is None:
        return text
    raise ValueError(
        f"No environment variable can stand in for {asked}, a {type(value).__name__}: "
        "use monkeypatch instead."
    )


def flow_around() -> FlowRun | None:
    """Return the run of the nearest flow around."""
    scope = scope_of_flow(current_scope.get())
    return scope.run if scope is not None and isinstance(scope.run, FlowRun) else None


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
