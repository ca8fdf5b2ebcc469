"""Loops that never end: ``continue_as_new({"cursor": cursor})``.

A run keeps what it has finished, so one that never ends keeps more and more. It may end and go on
as a new run instead, with a journal that is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from penstock.drivers.scope import enter_engine
from penstock.engine.runs import FlowRun
from penstock.errors import ContinuedAsNew, MissingContextError
from penstock.parameters import as_json, by_name

__all__ = ["continue_as_new"]


def continue_as_new(parameters: Mapping[str, Any] | None = None) -> NoReturn:
    """End this run of the flow, and go on as a new one of the same flow; it never returns.

    Parameters that are not named stay as they are. In the cluster, and with ``penstock run``, the
    new run has a name of its own, which the old one's status has; signals that were not consumed
    go with it. Elsewhere the flow goes on in place. Raises ``ParameterError`` if the parameters do
    not fit, and in the flow what ends it: a ``BaseException``, like a cancellation.
    """
    scope = enter_engine()
    if scope is None or not isinstance(scope.run, FlowRun):
        raise MissingContextError("continue_as_new ends a flow: call it in the flow, in no task.")
    given, flow = dict(parameters or {}), scope.run.flow
    flow.validate_parameters({**by_name(flow.fn, *scope.arguments), **given})
    if scope.context is not None and scope.context.children is not None and scope.parent is None:
        given = dict(as_json(given))
    raise ContinuedAsNew(given)
