"""The clock as the drivers use it: gates, time-outs, delays, by the system's time or a test's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import Context

from penstock.clock import Clock, Gate, Stint, current_clock


def monotonic() -> float:
    """Return seconds that never go back."""
    clock = current_clock.get()
    return time.monotonic() if clock is None else clock.monotonic()


def worked_seconds() -> float:
    """Return what time-outs count: the clock's seconds and, where a test moves it, real ones."""
    clock = current_clock.get()
    return time.monotonic() if clock is None else clock.monotonic() + time.monotonic()


def new_gate() -> Gate:
    """Return what the calling thread waits at."""
    clock = current_clock.get()
    return threading.Event() if clock is None else clock.gate()


def new_stint(context: Context | None = None) -> Stint | None:
    """Return work for a thread, in the given context; ``None`` where nobody moves the time."""
    clock = current_clock.get() if context is None else context.get(current_clock)
    return None if clock is None else clock.stint()


_ROUNDING = 1e-9


class Deadline:
    """The end of a time-out. A body that hangs runs out of time although no test moves that."""

    __slots__ = ("_clock", "_moved", "_real")

    def __init__(self, seconds: float) -> None:
        self._clock = current_clock.get()
        self._real = time.monotonic() + seconds
        self._moved = self._clock.monotonic() + seconds if self._clock else 0.0

    def left(self) -> float:
        """Return the seconds that are left; none or less once it is over."""
        left = self._real - time.monotonic()
        if self._clock is None or left <= 0:
            return left
        moved = self._moved - self._clock.monotonic()
        return moved if moved > _ROUNDING else 0.0


class Delay:
    """Time that has to pass by the clock that is in force, real time or not."""

    __slots__ = ("_clock", "_end", "_over", "_seconds", "_wake", "forget", "timeout")

    def __init__(self, seconds: float, *, clock: Clock | None = None) -> None:
        self._clock = clock or current_clock.get()
        self._seconds = seconds
        self._over = False
        self._wake: Callable[[], None] = _nothing
        self._end = time.monotonic() + seconds
        self.timeout = seconds if self._clock is None else None
        """Seconds of real time after which nobody needs to be woken; ``None``: somebody does."""
        self.forget: Callable[[], None] = _nothing
        """Wake nobody any more."""

    def begin(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called at the end, where real time does not bring it about."""
        self._wake = wake
        if self._clock is not None:
            self.forget = self._clock.call_later(self._seconds, self._finish)

    def is_over(self) -> bool:
        """Tell whether the time has passed."""
        return self._over or (self._clock is None and time.monotonic() >= self._end)

    def _finish(self) -> None:
        self._over = True
        self._wake()


def _nothing() -> None:
    """Wake nobody, forget nothing."""
