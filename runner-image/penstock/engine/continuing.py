"""Runs that go on as new ones: a loop that never ends has no journal that never ends."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.engine.ending import Ending
from penstock.errors import ContinuedAsNew
from penstock.states import State, StateType

NAME = "ContinuedAsNew"


@dataclass(frozen=True, slots=True)
class Continuation:
    """What the next run of the chain is given; parameters that are not named stay as they are."""

    parameters: dict[str, object]


def continued(ending: Ending) -> Ending:
    """Return how a flow's body ended: one that asked to go on anew has completed."""
    error = ending.error
    if not isinstance(error, ContinuedAsNew):
        return ending
    state: State[object] = State(
        StateType.COMPLETED,
        name=NAME,
        message="The flow goes on as a new run.",
        data=Continuation(error.parameters),
    )
    return Ending(state)


def continuation_in(state: State[object]) -> Continuation | None:
    """Return what a flow goes on with, if it ended for that."""
    return state.data if isinstance(state.data, Continuation) else None
