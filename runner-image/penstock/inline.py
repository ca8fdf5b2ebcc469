"""A call that runs where it is made, and what its caller gets: result, state, items, awaitable."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

from penstock.drivers.call import LiveCall
from penstock.drivers.scope import current_scope
from penstock.drivers.threads import run_inline
from penstock.engine.continuing import Continuation, continuation_in
from penstock.parameters import by_name
from penstock.states import State


def run_here(call: LiveCall, *, return_state: bool) -> object:
    """Run the call and return its result, or its state; an async one is to be awaited for it."""
    __tracebackhide__ = True  # for pytest and IPython; see uncaught.py for the rest
    definition = call.definition
    if definition.stream is not None and not return_state:
        return _streamed(call)
    if definition.is_async:
        awaited: Any = _awaited(call, return_state=return_state)
        awaited.__qualname__ = definition.name  # Python names it where nobody awaits it
        return awaited
    state = run_inline(call)
    while (going_on := continuation_in(state)) is not None:
        call = _successor(call, going_on)
        state = run_inline(call)
    return _given(state) if return_state else outcome_of(state)


def _successor(call: LiveCall, going_on: Continuation) -> LiveCall:
    """Return the call in whose place a flow goes on that has ended for that."""
    flow: Any = call.definition.author
    return flow.prepare((), {**by_name(flow.fn, call.args, call.kwargs), **going_on.parameters})  # type: ignore[no-any-return]


def outcome_of(state: State[object]) -> object:
    """Return the result of an inline call, or raise what its body raised, crashes included."""
    __tracebackhide__ = True
    if state.is_completed():
        return state.data
    if isinstance(state.data, BaseException):
        raise state.data
    raise state.error()


async def _awaited(call: LiveCall, *, return_state: bool) -> object:
    from penstock.drivers.loops import run_awaited

    state = await run_awaited(call)
    while (going_on := continuation_in(state)) is not None:
        call = _successor(call, going_on)
        state = await run_awaited(call)
    return _given(state) if return_state else outcome_of(state)


def _streamed(call: LiveCall) -> Generator[object, object, None] | AsyncGenerator[object, object]:
    """Return what yields the items of a generator as its body does; it begins at the first."""
    from penstock.drivers.streams import stream, stream_async

    run = stream_async if call.definition.is_async else stream
    return run(call, finish=outcome_of)


def _given(state: State[object]) -> State[object]:
    """Note that a state is about, which may be among the arguments of a later call."""
    scope = current_scope.get()
    if scope is not None and scope.context is not None:
        scope.context.made_links = True
    return state
