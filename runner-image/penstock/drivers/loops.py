"""The asyncio driver: carries effects out in the running event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from inspect import isawaitable
from typing import TypeVar, cast

from penstock.clock import current_clock
from penstock.drivers.call import LiveCall
from penstock.drivers.instant import carry_out, takes_time
from penstock.drivers.patience import Patience, patience_with, watch_beats
from penstock.drivers.prints import beside, prints_of
from penstock.drivers.progress import Progress, without_engine_frame
from penstock.drivers.scope import Scope
from penstock.drivers.timeouts import Silence, time_out
from penstock.drivers.waiting import (
    Bell,
    Early,
    Wake,
    all_final,
    awaiting,
    note_delay,
    subscribe_to,
)
from penstock.engine.core import run_call
from penstock.engine.effects import (
    Ask,
    Await,
    AwaitTasks,
    CallHook,
    Effect,
    Pause,
    RunBody,
    Within,
)
from penstock.engine.ending import Ending
from penstock.engine.inputs import Link
from penstock.states import State

T = TypeVar("T")


async def run_awaited(call: LiveCall) -> State[object]:
    """Run ``call`` in the running loop and return its final state."""
    progress = Progress(call, run_call(call))
    trouble: BaseException | None = None
    while isinstance(step := await resume(progress, trouble=trouble), Pause):
        trouble = None
        forget = note_delay(call, step)
        try:
            await pause(step.seconds, scope=call.waiting_scope(), early=step.early)
        except BaseException as error:  # the core turns it into a final state
            trouble = error
        forget()
    return step


async def resume(progress: Progress[T], *, trouble: BaseException | None = None) -> T | Pause:
    """Go on until all is done or a pause is due, which the caller sees to."""
    call = progress.call
    answer: object = None
    while isinstance(step := progress.step(answer, trouble=trouble), Effect):
        if isinstance(step, Pause):
            return step
        answer = trouble = None
        try:
            answer = await perform(step, call)
        except BaseException as error:  # the core turns it into a final state
            trouble = error
    return step


async def perform(effect: Effect[object], call: LiveCall) -> object:
    """Carry out one effect and return its answer."""
    match effect:
        case RunBody(args, kwargs):
            return await _run_body(call, args, kwargs)
        case Await(links):
            await suspend_until_final(list(links), scope=call.waiting_scope())
            return None
        case AwaitTasks(seconds):
            frame = call.own_frame
            assert frame is not None
            return await suspend_until(
                frame.is_idle,
                subscribe=frame.when_idle,
                scope=call.waiting_scope(),
                timeout=seconds,
            )
        case Ask(question):
            return await _ask(question)
        case CallHook():
            await _call_hook(effect, call)
            return None
        case Within(part, inner):
            return await perform(inner, cast("LiveCall", part))
    if takes_time(effect, call=call):
        return await asyncio.to_thread(carry_out, effect, call=call)
    return carry_out(effect, call=call)


async def _run_body(call: LiveCall, args: tuple[object, ...], kwargs: dict[str, object]) -> Ending:
    activity = call.count_body()
    if activity is not None:
        await activity.begin_async()
    scope = call.begin_attempt(args, kwargs)
    patience = patience_with(call)
    try:
        if patience is not None:
            return await _run_patiently(call, scope, args, kwargs, patience=patience)
        with scope, prints_of(scope):
            return Ending(await cast("Awaitable[object]", call.definition.body(*args, **kwargs)))
    except BaseException as error:  # whatever it is, the core decides what it means
        return Ending(error=without_engine_frame(error))


async def _run_patiently(
    call: LiveCall,
    scope: Scope,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    patience: Patience,
) -> Ending:
    if patience.left() <= 0:
        return patience.ran_out()
    watch_beats(scope, patience)
    clock, silence = time_out(patience.left_in_all()), Silence(patience.left_in_silence)
    try:
        async with clock, silence:
            with scope, prints_of(scope):
                return Ending(
                    await cast("Awaitable[object]", call.definition.body(*args, **kwargs))
                )
    except BaseException as error:
        if isinstance(error, TimeoutError) and (clock.expired() or silence.expired()):
            scope.abandoned = True
            return patience.ran_out()
        return Ending(error=without_engine_frame(error))


def runs_here() -> bool:
    """Tell whether an event loop runs in the calling thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def awaited(value: object) -> object:
    """Await what a body of the author's returned."""
    return await cast("Awaitable[object]", value)


async def _call_hook(effect: CallHook, call: LiveCall) -> None:
    if call.abandoned or call.is_replay:
        return
    with beside(call.aside()):
        ending = await _ask(lambda: effect.hook.function(call.run, effect.state))
    if ending.error is not None:
        raise ending.error


async def _ask(question: Callable[[], object]) -> Ending:
    try:
        answer = question()
        return Ending(await awaited(answer) if isawaitable(answer) else answer)
    except Exception as error:
        return Ending(error=error)


async def suspend_until(
    ready: Callable[[], bool],
    *,
    subscribe: Callable[[Wake], None],
    scope: Scope | None,
    timeout: float | None = None,  # noqa: ASYNC109 - the twin of block_until
) -> bool:
    """Suspend until ``ready()``; as ``block_until``, without blocking the loop."""
    if scope:
        scope.check_cancelled()
    if ready():
        return True
    slots = scope.origin.slots if scope else None
    if slots is None:
        with _parked(scope):
            return await _suspend(ready, subscribe=subscribe, scope=scope, timeout=timeout)
    slots.give_back()
    try:
        return await _suspend(ready, subscribe=subscribe, scope=scope, timeout=timeout)
    finally:
        slots.overdraw()


def _parked(scope: Scope | None) -> AbstractContextManager[None]:
    activity = scope.parking() if scope else None
    return nullcontext() if activity is None else activity.parked_in_loop()


async def _suspend(
    ready: Callable[[], bool],
    *,
    subscribe: Callable[[Wake], None],
    scope: Scope | None,
    timeout: float | None,  # noqa: ASYNC109 - the same
) -> bool:
    woken = asyncio.Event()
    loop = asyncio.get_running_loop()
    moved, thread = current_clock.get(), threading.get_ident()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(woken.set)
            if moved is not None:
                moved.watch(loop, thread=thread)

    context = scope.context if scope else None
    if context:
        context.add_waker(wake)
    try:
        subscribe(wake)
        async with time_out(timeout):
            while True:
                if scope:
                    scope.check_cancelled()
                if ready():
                    return True
                if moved is not None:
                    moved.watch(loop, thread=thread)
                await woken.wait()
                woken.clear()
    except TimeoutError:
        return False
    finally:
        if context:
            context.discard_waker(wake)


async def suspend_until_final(links: list[Link], *, scope: Scope | None) -> None:
    """Suspend until every link is final."""
    unfinished = [link for link in links if link.final_state() is None]
    with awaiting(unfinished, scope=scope):
        await suspend_until(
            lambda: all_final(unfinished),
            subscribe=lambda wake: subscribe_to(unfinished, wake),
            scope=scope,
        )


async def pause(seconds: float, *, scope: Scope | None, early: Early | None = None) -> None:
    """Let ``seconds`` pass without blocking the loop, or less if it is woken early."""
    bell = Bell(seconds, early=early)
    try:
        await suspend_until(
            bell.has_rung, subscribe=bell.subscribe, scope=scope, timeout=bell.timeout
        )
    finally:
        bell.stop()
