"""Generators as bodies: what they yield goes to the caller at once, in either driver.

The core knows nothing of it: to it a stream is one body that takes its time. Between two items the
caller's code runs, outside the body's scope. A caller who leaves early ends the body; what it
did until then counts as a success, and is not recorded as the whole.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import cast

from penstock.drivers import loops, threads
from penstock.drivers.call import LiveCall
from penstock.drivers.prints import prints_of
from penstock.drivers.progress import Progress, time_ran_out, without_engine_frame
from penstock.drivers.waiting import pause
from penstock.engine.effects import Effect, Keep, Pause, Record, RunBody
from penstock.engine.ending import Ending
from penstock.states import State

Finish = Callable[[State[object]], object]
"""Raises what an unsuccessful state holds."""

_END = object()


class _Body:
    """One attempt of a generator, item by item."""

    def __init__(self, call: LiveCall, step: RunBody) -> None:
        assert call.definition.stream is not None
        self._call = call
        self._scope = call.begin_attempt(step.args, step.kwargs)
        self._kept: list[object] | None = [] if call.keeps_result() else None
        self._seconds_left = call.definition.timeout_seconds
        self.generator = call.definition.stream(*step.args, **step.kwargs)
        self.ending = Ending()

    def advance(self, sent: object) -> object:
        began = time.monotonic()
        try:
            with self._scope, prints_of(self._scope):
                item = cast("Generator[object, object, object]", self.generator).send(sent)
        except BaseException as error:  # whatever it is, the core decides what it means
            return self._end(error)
        return self._taken(item, seconds=time.monotonic() - began)

    async def advance_async(self, sent: object) -> object:
        import asyncio

        began = time.monotonic()
        clock = asyncio.timeout(self._seconds_left)
        try:
            async with clock:
                with self._scope, prints_of(self._scope):
                    item = await cast("AsyncGenerator[object, object]", self.generator).asend(sent)
        except BaseException as error:  # the same
            return self._run_out() if clock.expired() else self._end(error)
        return self._taken(item, seconds=time.monotonic() - began)

    def _taken(self, item: object, *, seconds: float) -> object:
        if self._seconds_left is not None:
            self._seconds_left -= seconds
            if self._seconds_left < 0:
                return self._run_out()
        if self._kept is not None:
            self._kept.append(item)
        return item

    def _run_out(self) -> object:
        self._scope.abandoned = True
        self.ending = time_ran_out(self._call)
        return _END

    def _end(self, error: BaseException) -> object:
        if isinstance(error, StopIteration | StopAsyncIteration):
            self.ending = Ending(self._kept)
        else:
            self.ending = Ending(error=without_engine_frame(error))
        return _END

    def close(self) -> None:
        try:
            with self._scope, prints_of(self._scope):
                cast("Generator[object, object, object]", self.generator).close()
        except BaseException as error:  # the same
            self._end(error)

    async def close_async(self) -> None:
        try:
            with self._scope, prints_of(self._scope):
                await cast("AsyncGenerator[object, object]", self.generator).aclose()
        except BaseException as error:  # the same
            self._end(error)


def stream(call: LiveCall, *, finish: Finish) -> Generator[object, object, None]:
    """Run ``call`` in the calling thread and yield what its body yields."""
    progress = Progress(call)
    answer: object = None
    trouble: BaseException | None = None
    begun = left = False
    while isinstance(step := progress.step(answer, trouble=trouble), Effect):
        answer = trouble = None
        try:
            if isinstance(step, RunBody) and not left:
                begun, body, sent = True, _Body(call, step), None
                while (item := body.advance(sent)) is not _END:
                    try:
                        sent = yield item
                    except GeneratorExit:
                        left = True
                        body.close()
                        break
                answer = body.ending
            elif left and isinstance(step, RunBody | Record | Keep):
                answer = step.state if isinstance(step, Record) else Ending()
            elif isinstance(step, Pause):
                pause(step.seconds, scope=call.waiting_scope())
            else:
                answer = threads.perform(step, call)
        except BaseException as error:  # the core turns it into a final state
            trouble = error
    if left:
        return
    finish(step)
    if not begun:
        yield from cast("list[object]", step.data)


async def stream_async(call: LiveCall, *, finish: Finish) -> AsyncGenerator[object, object]:
    """Run ``call`` in the running loop and yield what its body yields."""
    progress = Progress(call)
    answer: object = None
    trouble: BaseException | None = None
    begun = left = False
    while isinstance(step := progress.step(answer, trouble=trouble), Effect):
        answer = trouble = None
        try:
            if isinstance(step, RunBody) and not left:
                begun, body, sent = True, _Body(call, step), None
                while (item := await body.advance_async(sent)) is not _END:
                    try:
                        sent = yield item
                    except GeneratorExit:
                        left = True
                        await body.close_async()
                        break
                answer = body.ending
            elif left and isinstance(step, RunBody | Record | Keep):
                answer = step.state if isinstance(step, Record) else Ending()
            elif isinstance(step, Pause):
                await loops.pause(step.seconds, scope=call.waiting_scope())
            else:
                answer = await loops.perform(step, call)
        except BaseException as error:  # the core turns it into a final state
            trouble = error
    if left:
        return
    finish(step)
    if not begun:
        for item in cast("list[object]", step.data):
            yield item
