"""Generators as bodies: what they yield goes to the caller at once, in either driver.

The core knows nothing of it: to it a stream is one body that takes its time. Between two items the
caller's code runs, outside the body's scope. A caller who leaves early ends the body; what it
did until then counts as a success, and is not recorded as the whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import cast

from penstock.drivers import loops, threads
from penstock.drivers.call import LiveCall
from penstock.drivers.clocks import worked_seconds
from penstock.drivers.patience import active_seconds, time_ran_out
from penstock.drivers.prints import prints_of
from penstock.drivers.progress import Progress, without_engine_frame
from penstock.drivers.waiting import pause
from penstock.engine.core import run_call
from penstock.engine.effects import Effect, Hold, Keep, Pause, Record, RunBody
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
        self._seconds_left = active_seconds(call)
        self.generator = call.definition.stream(*step.args, **step.kwargs)
        self.ending = Ending()

    def advance(self, sent: object) -> object:
        began = worked_seconds()
        try:
            with self._scope, prints_of(self._scope):
                item = cast("Generator[object, object, object]", self.generator).send(sent)
        except BaseException as error:  # whatever it is, the core decides what it means
            return self._end(error)
        return self._taken(item, seconds=worked_seconds() - began)

    async def advance_async(self, sent: object) -> object:
        from penstock.drivers.timeouts import time_out

        began = worked_seconds()
        clock = time_out(self._seconds_left)
        try:
            async with clock:
                with self._scope, prints_of(self._scope):
                    item = await cast("AsyncGenerator[object, object]", self.generator).asend(sent)
        except BaseException as error:  # the same
            return self._run_out() if clock.expired() else self._end(error)
        return self._taken(item, seconds=worked_seconds() - began)

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


class _Streaming:
    """The core's progress with one stream, as both drivers follow it."""

    def __init__(self, call: LiveCall) -> None:
        self._call = call
        self._progress = Progress(call, run_call(call))
        self._begun = False
        self.left = False
        """Whether the caller has left before the end."""
        self.answer: object = None
        self.trouble: BaseException | None = None

    def step(self) -> _Body | Effect[object] | State[object]:
        """Return what to do next: draw from a body, carry an effect out, or end."""
        while True:
            answer, trouble, self.answer, self.trouble = self.answer, self.trouble, None, None
            step = self._progress.step(answer, trouble=trouble)
            if self.left and isinstance(step, RunBody | Record | Keep | Hold):
                self.answer = step.state if isinstance(step, Record) else Ending()
            elif isinstance(step, RunBody):
                self._begun = True
                try:
                    return _Body(self._call, step)
                except BaseException as error:  # the core turns it into a final state
                    self.trouble = error
            else:
                return step

    def rest(self, state: State[object], *, finish: Finish) -> list[object]:
        """Return the items that are still to be yielded: all of a result that was kept."""
        if self.left:
            return []
        finish(state)
        return [] if self._begun else cast("list[object]", state.data)


def stream(call: LiveCall, *, finish: Finish) -> Generator[object, object, None]:
    """Run ``call`` in the calling thread and yield what its body yields."""
    streaming = _Streaming(call)
    while not isinstance(step := streaming.step(), State):
        try:
            if isinstance(step, _Body):
                sent = None
                while (item := step.advance(sent)) is not _END:
                    try:
                        sent = yield item
                    except GeneratorExit:
                        streaming.left = True
                        step.close()
                        break
                streaming.answer = step.ending
            elif isinstance(step, Pause):
                pause(step.seconds, scope=call.waiting_scope(), early=step.early)
            else:
                streaming.answer = threads.perform(step, call)
        except BaseException as error:  # the core turns it into a final state
            streaming.trouble = error
    yield from streaming.rest(step, finish=finish)


async def stream_async(call: LiveCall, *, finish: Finish) -> AsyncGenerator[object, object]:
    """Run ``call`` in the running loop and yield what its body yields."""
    streaming = _Streaming(call)
    while not isinstance(step := streaming.step(), State):
        try:
            if isinstance(step, _Body):
                sent = None
                while (item := await step.advance_async(sent)) is not _END:
                    try:
                        sent = yield item
                    except GeneratorExit:
                        streaming.left = True
                        await step.close_async()
                        break
                streaming.answer = step.ending
            elif isinstance(step, Pause):
                await loops.pause(step.seconds, scope=call.waiting_scope(), early=step.early)
            else:
                streaming.answer = await loops.perform(step, call)
        except BaseException as error:  # the core turns it into a final state
            streaming.trouble = error
    for item in streaming.rest(step, finish=finish):
        yield item
