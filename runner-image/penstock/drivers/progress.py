"""How far the core has come: one step at a time, for either driver."""

from __future__ import annotations

from typing import Generic, TypeVar

from penstock.drivers.call import LiveCall
from penstock.drivers.context import MAX_ABANDONED
from penstock.engine.effects import Effect, Steps
from penstock.engine.ending import Ending
from penstock.errors import RunTimeoutError

T = TypeVar("T")


class Progress(Generic[T]):
    """Steps of the engine that were begun: those of a call, or those that end a transaction."""

    __slots__ = ("_steps", "call")

    def __init__(self, call: LiveCall, steps: Steps[T]) -> None:
        self.call = call
        self._steps = steps

    def step(self, answer: object, *, trouble: BaseException | None) -> Effect[object] | T:
        """Send what came of the last effect; return the next one, or what the steps came to."""
        try:
            if trouble is not None:
                return self._steps.throw(trouble)
            return self._steps.send(answer)
        except StopIteration as stop:
            came_to: T = stop.value
            return came_to

    def close(self) -> None:
        """Go no further; the core lets go of what it holds. Tracebacks may keep it for long."""
        self._steps.close()


def without_engine_frame(error: BaseException) -> BaseException:
    """Return the exception as it left the body: without the frame that called the body."""
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
    return error


def too_many_abandoned(call: LiveCall) -> Ending:
    """Return how an attempt ends that is not even begun."""
    message = (
        f"{call.run.name} was not started: {MAX_ABANDONED} bodies of this run ran out of time and "
        "still run. Give the functions that they call time-outs of their own."
    )
    return Ending(error=RunTimeoutError(message))
