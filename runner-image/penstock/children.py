"""Runs that a flow starts: ``run_flow("load", {"day": "2026-11-20"})``.

In the cluster a child is a FlowRun of its own, with its own pod, journal and history; its parent
waits without a pod. Elsewhere it is a sub-flow of the same process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from inspect import isawaitable
from typing import Any, Literal, TypeVar, cast, overload

from penstock.child_calls import Pending, call_of, note_failure
from penstock.drivers.children import (
    Children,
    ClosePolicy,
    Order,
    wait_for_end,
    wait_for_end_async,
)
from penstock.drivers.running_loop import loop_runs
from penstock.drivers.scope import Scope, enter_engine
from penstock.engine.identity import CallKey
from penstock.errors import ChildRunRefused
from penstock.flows import Flow
from penstock.imported_flows import imported_flow
from penstock.inline import run_here
from penstock.object_names import nearest_name
from penstock.parameters import as_json
from penstock.states import State

__all__ = ["ChildRun", "run_flow"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChildRun:
    """A run that was started and not waited for, as ``run_flow(…, wait=False)`` returns it."""

    name: str = field(compare=False)
    """The child's name: in the cluster, that of its FlowRun."""
    flow: str
    call: str = ""
    """Names the call that started it, the same whenever the parent is taken up again."""
    ended: State[Any] | None = field(default=None, compare=False)
    """How it ended, where it ran in this process."""
    pending: Pending | None = field(default=None, compare=False, repr=False)
    """What starts it, where that is left to whoever waits for it."""

    def __penstock_key__(self) -> tuple[str, str]:
        return self.flow, self.call

    def result(self, *, raise_on_failure: bool = True) -> Any:
        """Wait until the child has ended, and return what it returned.

        Raises ``ChildRunFailed`` if it did not complete; with ``raise_on_failure=False`` that is
        returned. Under a running event loop this is awaited.
        """
        state = self.wait()
        if isinstance(state, State):
            return state.result(raise_on_failure=raise_on_failure)
        return _result_of(state, raise_on_failure=raise_on_failure)

    def wait(self) -> Any:
        """Wait until the child has ended, and return its final state; awaited as ``result``."""
        if self.ended is not None:
            return _at_once(self.ended)
        return _waited(self, _end_of_async if loop_runs() else _end_of, return_state=True)


def child_of(flow: str, parameters: Mapping[str, Any], *, on_parent_close: ClosePolicy) -> ChildRun:
    """Return the child that a call in a run of the cluster starts, once it is waited for."""
    scope = enter_engine()
    key = _drawn(flow, dict(parameters), scope=scope)
    if scope is None or key is None:
        raise ChildRunRefused("A run in the cluster alone has children.")
    order = Order(
        flow=_name_of(flow),
        parameters=as_json(dict(parameters)),
        close_policy=on_parent_close,
        timeout_seconds=None,
    )
    return _named(order, key=key, scope=scope)


def until_started(child: ChildRun) -> Any:
    """Start a child that nobody waits for, once; awaited under a running event loop."""
    return _waited(child, _begun_async if loop_runs() else _begun, return_state=False)


def until_over(child: ChildRun) -> Any:
    """Wait until a child in the cluster has ended, however it did; awaited as its ``result``."""
    return _waited(child, _over_async if loop_runs() else _over, return_state=False)


def _waited(child: ChildRun, body: Callable[..., Any], *, return_state: bool) -> Any:
    """Wait in a sub-flow, which finds what it came to when the run is taken up again."""
    waiting = Flow(body, name=child.flow, validate_parameters=False)
    return run_here(waiting.prepare((child,), {}), return_state=return_state)


@overload
def run_flow(
    flow: str | Flow[..., Any],
    parameters: Mapping[str, Any] | None = None,
    *,
    wait: Literal[False],
    as_child: bool = True,
    on_parent_close: ClosePolicy = "Cancel",
    timeout_seconds: int | None = None,
) -> ChildRun: ...
@overload
def run_flow(
    flow: str | Flow[..., Any],
    parameters: Mapping[str, Any] | None = None,
    *,
    return_state: Literal[True],
    as_child: bool = True,
    on_parent_close: ClosePolicy = "Cancel",
    timeout_seconds: int | None = None,
) -> State[Any]: ...
@overload
def run_flow(
    flow: Flow[..., T],
    parameters: Mapping[str, Any] | None = None,
    *,
    as_child: bool = True,
    on_parent_close: ClosePolicy = "Cancel",
    timeout_seconds: int | None = None,
) -> T: ...
@overload
def run_flow(
    flow: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    as_child: bool = True,
    on_parent_close: ClosePolicy = "Cancel",
    timeout_seconds: int | None = None,
) -> Any: ...


def run_flow(
    flow: str | Flow[..., Any],
    parameters: Mapping[str, Any] | None = None,
    *,
    wait: bool = True,
    as_child: bool = True,
    on_parent_close: ClosePolicy = "Cancel",
    timeout_seconds: int | None = None,
    return_state: bool = False,
) -> Any:
    """Run a flow as a run of its own, wait for its end, and return what it returned.

    In the cluster ``flow`` names a Flow of the namespace, and the run that waits has no pod.
    Elsewhere, and with ``as_child=False``, it is a sub-flow here: a flow, or the name of one that
    is imported. ``wait=False`` starts the run and returns a ``ChildRun``. When the parent ends, or
    is cancelled, its children are cancelled, unless they were started with
    ``on_parent_close="Abandon"``. Raises ``ChildRunFailed`` if the child does not complete. Under a
    running event loop all this is awaited.
    """
    if on_parent_close not in ("Cancel", "Abandon"):
        raise ValueError(f"on_parent_close is 'Cancel' or 'Abandon', not {on_parent_close!r}.")
    given = dict(parameters or {})
    scope = enter_engine()
    key = _drawn(flow, given, scope=scope) if as_child else None
    if key is None:
        return _run_inside(flow, given, wait=wait, return_state=return_state)
    if isinstance(flow, Flow):
        flow.validate_parameters(given)
    order = Order(
        flow=_name_of(flow),
        parameters=as_json(given),
        close_policy=on_parent_close,
        timeout_seconds=timeout_seconds,
    )
    assert scope is not None
    child = _named(order, key=key, scope=scope)
    if not wait:
        return _started_async(child, scope=scope) if loop_runs() else _started(child, scope=scope)
    return child.wait() if return_state else child.result()


def _drawn(
    flow: str | Flow[..., Any], given: dict[str, Any], *, scope: Scope | None
) -> CallKey | None:
    """Return the key of a call that starts a run in the cluster; ``None`` if it runs here."""
    if scope is None or scope.context is None or scope.context.children is None:
        return None
    from penstock.engine.digest import digest_of

    name = _name_of(flow)
    return scope.draw(identity=f"child {name}", digest=digest_of(given).hex())


def _named(order: Order, *, key: CallKey, scope: Scope) -> ChildRun:
    """Return the child of a call, which an earlier attempt may have started."""
    assert scope.context is not None
    children = scope.context.children
    assert children is not None
    call = call_of(key, scope=scope)
    return ChildRun(children.name_of(call), order.flow, call, pending=Pending(order, key))


def _started(child: ChildRun, *, scope: Scope) -> ChildRun:
    """Start a child, unless an earlier attempt has."""
    pending = child.pending
    if pending is None or not pending.start(child.name, scope=scope):
        return child
    return replace(child, pending=None)


async def _started_async(child: ChildRun, *, scope: Scope) -> ChildRun:
    from asyncio import to_thread

    return await to_thread(_started, child, scope=scope)


def _begun(child: ChildRun) -> None:
    _started(child, scope=_waiting_scope()[0])


async def _begun_async(child: ChildRun) -> None:
    await _started_async(child, scope=_waiting_scope()[0])


def _over(child: ChildRun) -> None:
    scope, children = _waiting_scope()
    _started(child, scope=scope)
    if not children.has_ended(child.name):
        wait_for_end(child.name, scope=scope, children=children)


async def _over_async(child: ChildRun) -> None:
    scope, children = _waiting_scope()
    await _started_async(child, scope=scope)
    if not children.has_ended(child.name):
        await wait_for_end_async(child.name, scope=scope, children=children)


def _end_of(child: ChildRun) -> object:
    """The body of a sub-flow: wait for a child, and end as it did."""
    _over(child)
    scope, children = _waiting_scope()
    return note_failure(children.final_state(child.name), call=child.call, scope=scope)


async def _end_of_async(child: ChildRun) -> object:
    from asyncio import to_thread

    await _over_async(child)
    scope, children = _waiting_scope()
    state = await to_thread(children.final_state, child.name)
    return await to_thread(note_failure, state, call=child.call, scope=scope)


def _waiting_scope() -> tuple[Scope, Children]:
    scope = enter_engine()
    children = scope.context.children if scope and scope.context else None
    if scope is None or children is None:
        raise ChildRunRefused(
            "A child of a run in the cluster can be waited for in that run alone."
        )
    return scope, children


# Where the flow runs in this process


def _run_inside(
    flow: str | Flow[..., Any], given: dict[str, Any], *, wait: bool, return_state: bool
) -> object:
    """Run a flow as a sub-flow of this process; awaited where a loop runs."""
    found = flow if isinstance(flow, Flow) else imported_flow(flow)
    call = found.prepare((), given)
    whole = return_state or not wait

    def finished(came: Any) -> object:
        return came if wait else ChildRun(call.run.name, _name_of(found), ended=came)

    if not loop_runs():
        came: Any = run_here(call, return_state=whole)
        if isawaitable(came):
            return _run(cast("Coroutine[Any, Any, object]", came), finished)
        return finished(came)

    async def run() -> object:
        came: Any = run_here(call, return_state=whole)
        return finished(await came if isawaitable(came) else came)

    return run()


def _run(came: Coroutine[Any, Any, object], finished: Callable[[Any], object]) -> object:
    """Run an async flow to its end for a caller that has no loop."""
    from asyncio import run

    return finished(run(came))


def _name_of(flow: str | Flow[..., Any]) -> str:
    """Return the name of the Flow in the cluster: that of a deployment follows its flow's."""
    name = flow.name if isinstance(flow, Flow) else flow.rpartition("/")[2]
    return nearest_name(name)


def _at_once(state: State[Any]) -> Any:
    """Return a state, or what is awaited for it."""
    if not loop_runs():
        return state

    async def known() -> State[Any]:
        return state

    return known()


async def _result_of(state: Awaitable[State[Any]], *, raise_on_failure: bool) -> Any:
    return (await state).result(raise_on_failure=raise_on_failure)
