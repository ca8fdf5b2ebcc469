"""The limits of tags: an attempt of a tagged task waits for a slot of each before it begins."""

from __future__ import annotations

from typing import TypeVar

from penstock.engine.effects import GiveSlots, Pause, Steps, TakeSlots

T = TypeVar("T")


def within_limits(attempt: Steps[T]) -> Steps[T]:
    """Hold a slot of each limit that the task's tags have while an attempt lasts.

    It is given back for the delay of a retry. Who waits has not begun: its state stays what it is.
    """
    try:
        while isinstance(answer := (yield from TakeSlots()), Pause):
            yield answer
        result = yield from attempt
    except GeneratorExit:
        raise
    except BaseException:
        yield GiveSlots()
        raise
    if answer:
        yield GiveSlots()
    return result
