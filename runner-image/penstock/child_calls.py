"""The calls of a run in the cluster that start children, as its journal keeps them.

A child is started once, whichever attempt of its parent gets to it. One that failed holds as long
as the bodies around go on: when they begin anew, the same call starts another.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.drivers.children import Order
from penstock.drivers.scope import Scope, epoch_in
from penstock.engine.identity import CallKey
from penstock.errors import ChildRunFailed
from penstock.states import State


@dataclass(frozen=True, slots=True)
class Pending:
    """A run that is started when it is waited for: not at all, if its end is known by then."""

    order: Order
    key: CallKey

    def start(self, name: str, *, scope: Scope) -> bool:
        """Start the run, unless an earlier attempt has; tell whether there is a place for it."""
        context = scope.context
        if context is None or context.children is None or context.journal is None:
            return False
        journal, flow = context.journal, self.order.flow
        started = self.key.beside(f"started {name}")
        if journal.noted(started) != "yes":
            journal.note(self.key.beside(f"start {name}"), make=lambda: flow)  # fences, then acts
            context.children.start(self.order, name)
            journal.note(started, make=lambda: "yes")
        return True


def call_of(key: CallKey, *, scope: Scope) -> str:
    """Name a call: as an earlier attempt did, unless its child failed and it is made anew."""
    journal = scope.context.journal if scope.context else None
    number = 0
    if journal is not None:
        while journal.noted(_failure(key.path, number)) not in (None, epoch_in(scope)):
            number += 1
    return f"{key.path}#{number}"


def note_failure(state: State[object], *, call: str, scope: Scope) -> State[object]:
    """Note in which attempt of the flows around a child has failed: the next has another one."""
    journal = scope.context.journal if scope.context else None
    if journal is not None and isinstance(state.data, ChildRunFailed):
        path, _, number = call.rpartition("#")
        epoch = epoch_in(scope.parent)
        journal.note(_failure(path, int(number)), make=lambda: epoch)
    return state


def _failure(path: str, number: int) -> CallKey:
    return CallKey(path, f"child failed {number}", "", 0)
