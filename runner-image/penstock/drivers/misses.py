"""Calls that the journal of a run that was taken up again does not know, in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from penstock import clock
from penstock.drivers.call import LiveCall
from penstock.drivers.keys import parameter_at
from penstock.drivers.runlog import complain
from penstock.drivers.suspension import Problem
from penstock.engine.retry import AttemptsUsed
from penstock.errors import NonDeterminism
from penstock.states import State

if TYPE_CHECKING:
    from penstock.engine.identity import CallKey
    from penstock.engine.past import NearMiss, Past


_FOR_EVER = timedelta(days=3650)


def replayed(
    found: State[object] | AttemptsUsed | None, key: CallKey, *, call: LiveCall, past: Past
) -> State[object] | AttemptsUsed | None:
    """Return what a call that is made in a replay finds: its result, or that it waits for ever.

    The flow itself runs, and sub-flows that had not ended; whatever else is not there does not.
    """
    if not isinstance(call, LiveCall):  # a transaction's block
        return found
    if call.caller is None:
        return found if isinstance(found, AttemptsUsed) else None
    if key.ordinal is None:  # what is kept beside a call's result
        return found
    if isinstance(found, State):
        past.meet(key)
        return found
    past.miss(key, body=call.definition.body, is_kept=not call.is_out())
    if call.own_frame is not None:
        return None
    return AttemptsUsed(0, clock.now() + _FOR_EVER)


def note_miss(key: CallKey, *, call: LiveCall, past: Past) -> None:
    """Note that a call was not found; in a strict flow, stop if another one had its place."""
    if key.ordinal is None or not isinstance(call, LiveCall):  # a root, or a transaction's block
        return
    missed, context = past.miss(key, body=call.definition.body), call.context
    if context is None or context.accepts_changes or not call.is_strict:
        return
    near = past.in_place_of(missed)
    if near is None:
        return
    message = (
        f"{in_words(near)} The flow is strict, so the run does not go on. Bring the code back, or "
        "let the run go on with the new calls: penstock resume RUN --accept, or for a run on this "
        "machine penstock run --resume RUN --accept."
    )
    context.need_person(Problem(reason="NonDeterminism", name=call.run.name, message=message))
    raise NonDeterminism(message)


def tell_near_misses(path: str, *, call: LiveCall, past: Past) -> None:
    """Warn, at the end of a body, of its calls that seem to have had a result already."""
    if call.is_replay or getattr(call, "scope", None) is None:  # no body was run
        return
    for near in past.near_misses(path):
        complain(
            call.run,
            f"{in_words(near)} It ran again. What stands outside tasks is computed anew on each "
            "launch: let a task return it, or take it from penstock.now, uuid4 or random.",
        )


def in_words(near: NearMiss) -> str:
    """Say what differs between a call and the one that an earlier launch made in its place."""
    name = task_in(near.missed.key.identity)
    before = task_in(near.recorded.identity)
    if near.recorded.identity != near.missed.key.identity:
        return f"{name} is called where an earlier launch of the run called {before}."
    changed = near.changed()
    if not changed:
        return f"{name} is called otherwise than by an earlier launch of the run."
    body = near.missed.body
    names = [
        parameter_at(cast("Callable[..., object]", body), each) if body is not None else str(each)
        for each in changed
    ]
    listed = ", ".join(dict.fromkeys(names))
    many = "other values" if len(names) > 1 else "another value"
    return f"{name} is called with {many} of {listed} than by an earlier launch of the run."


def task_in(identity: str) -> str:
    """Return the name of what is called."""
    return identity.partition("(")[0]
