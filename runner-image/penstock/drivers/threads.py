"""The thread driver: carries effects out in the calling thread."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from contextvars import copy_context
from inspect import isawaitable
from typing import TypeVar, cast

from penstock.clock import Stint
from penstock.drivers.call import LiveCall
from penstock.drivers.clocks import new_gate, new_stint
from penstock.drivers.instant import carry_out
from penstock.drivers.leash import Leash
from penstock.drivers.patience import Patience, patience_with, watch_beats
from penstock.drivers.prints import beside, prints_of
from penstock.drivers.progress import (
    Progress,
    too_many_abandoned,
    without_engine_frame,
)
from penstock.drivers.scope import Scope
from penstock.drivers.waiting import block_until, block_until_final, note_delay, pause
from penstock.engine.core import run_call
from penstock.engine.effects import Ask, Await, AwaitTasks, CallHook, Effect, Pause, RunBody, Within
from penstock.engine.ending import Ending
from penstock.errors import TaskAbandoned
from penstock.states import State

T = TypeVar("T")


def run_inline(call: LiveCall) -> State[object]:
    """Run ``call`` in the calling thread and return its final state."""
    stint = new_stint() if call.caller is None else None
    if stint is None:
        return _run_inline(call)
    with stint:
        return _run_inline(call)


def _run_inline(call: LiveCall) -> State[object]:
    progress = Progress(call, run_call(call))
    trouble: BaseException | None = None
    while isinstance(step := resume(progress, trouble=trouble), Pause):
        trouble = None
        forget = note_delay(call, step)
        try:
            pause(step.seconds, scope=call.waiting_scope(), early=step.early)
        except BaseException as error:  # the core turns it into a final state
            trouble = error
        forget()
    return step


def resume(progress: Progress[T], *, trouble: BaseException | None = None) -> T | Pause:
    """Go on until all is done or a pause is due, which the caller sees to."""
    call = progress.call
    answer: object = None
    while isinstance(step := progress.step(answer, trouble=trouble), Effect):
        if isinstance(step, Pause):
            return step
        answer = trouble = None
        try:
            answer = perform(step, call)
        except BaseException as error:  # the core turns it into a final state
            trouble = error
    return step


def perform(effect: Effect[object], call: LiveCall) -> object:
    """Carry out one effect and return its answer."""
    match effect:
        case RunBody(args, kwargs):
            return _run_body(call, args, kwargs)
        case Await(links):
            return block_until_final(links, scope=call.waiting_scope())
        case AwaitTasks(seconds):
            frame = call.own_frame
            assert frame is not None
            return block_until(
                frame.is_idle,
                subscribe=frame.when_idle,
                scope=call.waiting_scope(),
                timeout=seconds,
            )
        case Ask(question):
            return _ask(question)
        case CallHook():
            _call_hook(effect, call)
            return None
        case Within(part, inner):
            return perform(inner, cast("LiveCall", part))
    return carry_out(effect, call=call)


def _run_body(call: LiveCall, args: tuple[object, ...], kwargs: dict[str, object]) -> Ending:
    activity = call.count_body()
    if activity is not None:
        activity.begin()
    scope = call.begin_attempt(args, kwargs)
    place = call.frame.place() if call.submitted and call.frame else None
    patience = patience_with(call)
    if patience is not None and patience.left() <= 0:
        return patience.ran_out()
    if place is not None:
        from penstock.drivers.parcels import run_elsewhere

        return run_elsewhere(call, scope, args, kwargs, place=place, patience=patience)
    if patience is None:
        return _run_here(call, scope, args, kwargs)
    return _run_on_helper(call, scope, args, kwargs, patience=patience)


def _run_here(
    call: LiveCall, scope: Scope, args: tuple[object, ...], kwargs: dict[str, object]
) -> Ending:
    try:
        with scope, prints_of(scope):
            return Ending(call.definition.body(*args, **kwargs))
    except BaseException as error:  # whatever it is, the core decides what it means
        return Ending(error=without_engine_frame(error))


def _run_on_helper(
    call: LiveCall,
    scope: Scope,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    patience: Patience,
) -> Ending:
    """Run the body on a thread of its own, and leave it there when its time has run out.

    Then the body's outcome is dropped, its engine calls raise, and it is interrupted if it can be.
    """
    if call.context is not None and not call.context.may_abandon():
        return too_many_abandoned(call)
    endings: list[Ending] = []
    ended, stint, leash = new_gate(), new_stint(), Leash()

    def run() -> None:
        try:
            with stint or nullcontext():
                with leash:
                    endings.append(_run_here(call, scope, args, kwargs))
                ended.set()
        except TaskAbandoned:
            pass  # raised before the body had begun, or after it had ended
        finally:
            ended.set()

    watch_beats(scope, patience)
    target = copy_context().run
    name = f"penstock {call.run.name}"
    helper = threading.Thread(target=target, args=(run,), name=name, daemon=True)
    helper.start()
    try:
        while not endings and (left := patience.left()) > 0:
            ended.wait(left)
            ended.clear()  # if only the time has opened it, a heartbeat may have come meanwhile
    except BaseException as error:  # Ctrl-C
        _abandon(scope, helper, leash=leash, stint=stint)
        return Ending(error=error)
    if endings:
        return endings[0]
    _abandon(scope, helper, leash=leash, stint=stint)
    call.left_behind = helper
    return patience.ran_out()


def _abandon(scope: Scope, helper: threading.Thread, *, leash: Leash, stint: Stint | None) -> None:
    scope.abandoned = True
    if stint is not None:
        stint.disown()
    if scope.context is not None:
        scope.context.abandon(helper)
    leash.cut()


def _call_hook(effect: CallHook, call: LiveCall) -> None:
    if call.abandoned or call.is_replay:
        return
    with beside(call.aside()):
        ending = _ask(lambda: effect.hook.function(call.run, effect.state))
    if ending.error is not None:
        raise ending.error


def _ask(question: Callable[[], object]) -> Ending:
    try:
        answer = question()
        if isawaitable(answer):
            answer = _awaited_here(answer)
        return Ending(answer)
    except Exception as error:
        return Ending(error=error)


def _awaited_here(answer: Awaitable[object]) -> object:
    """Await something in a thread that waits for it; if it has a running loop, beside it."""
    import asyncio

    from penstock.drivers.loops import awaited, runs_here

    if not runs_here():
        return asyncio.run(awaited(answer))
    ending = Ending()

    def run() -> None:
        try:
            ending.value = asyncio.run(awaited(answer))
        except BaseException as error:
            ending.error = error

    helper = threading.Thread(target=copy_context().run, args=(run,), daemon=True)
    helper.start()
    helper.join()
    if ending.error is not None:
        raise ending.error
    return ending.value
