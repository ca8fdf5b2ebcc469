"""Those for whom time waits: a thread at its gate, a thread at work, event loops that are asked.

They only remember; ``MovingTime`` counts, under its lock.
"""

from __future__ import annotations

import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.testing.clock import MovingTime


class Gate:
    """A gate at which one thread waits."""

    __slots__ = ("_time", "event", "thread")

    def __init__(self, moving: MovingTime) -> None:
        self._time = moving
        self.event = threading.Event()
        self.thread: int | None = None
        """The thread that rests here."""

    def is_open(self) -> bool:
        return self.event.is_set()

    def set(self) -> None:
        self._time.open(self)

    def clear(self) -> None:
        self.event.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the gate is open or ``timeout`` seconds passed, of this time or really."""
        forget = None if timeout is None else self._time.call_later(timeout, self.set)
        self._time.park(self)
        try:
            return self.event.wait(timeout)
        finally:
            self._time.wake(self)
            if forget:
                forget()

    def wait_telling(self, tell: Callable[[], None], *, after: float) -> None:
        """Wait until the gate is open; call ``tell`` if that takes so many real seconds."""
        self._time.park(self)
        try:
            if not self.event.wait(after):
                tell()
                self.event.wait()
        finally:
            self._time.wake(self)


class Stint:
    """Work of one thread, before which time does not pass."""

    __slots__ = ("_time", "is_over", "thread")

    def __init__(self, moving: MovingTime) -> None:
        self._time = moving
        self.is_over = False
        self.thread: int | None = None
        """The thread that has entered it."""

    def __enter__(self) -> None:
        self._time.enter(self)

    def __exit__(self, *_: object) -> None:
        self._time.leave(self)

    def disown(self) -> None:
        self._time.leave(self)


class Round:
    """One time of asking the loops whether they are idle."""

    def __init__(self, news: int, loops: Iterable[AbstractEventLoop]) -> None:
        self.news = news
        """How much had happened when they were asked; more since then, and they are asked again."""
        self.unanswered = set(loops)
        self._worlds: dict[AbstractEventLoop, tuple[frozenset[object], float]] = {}

    def has_to_wait(
        self, loop: AbstractEventLoop, world: frozenset[object], *, patience: float
    ) -> bool:
        """Tell whether the world that a loop waits for has not been given its time yet."""
        if not world:
            return False
        seen, since = self._worlds.get(loop, (None, 0.0))
        if seen != world:
            since = time.monotonic()
            self._worlds[loop] = (world, since)
        return time.monotonic() - since < patience
