"""Time-outs in event loops: asyncio's own, which the clock of a test may end as well."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from penstock.clock import Clock, current_clock
from penstock.drivers.clocks import Delay


def time_out(seconds: float | None) -> asyncio.Timeout | MovedTimeout:
    """Return ``asyncio.timeout``, which a test's clock may end too."""
    if seconds is None or (moved := current_clock.get()) is None:
        return asyncio.timeout(seconds)
    return MovedTimeout(moved, seconds)


class Silence:
    """Ends a block that is silent for too long; what is left is asked anew each time."""

    def __init__(self, left: Callable[[], float | None]) -> None:
        self._timeout = asyncio.timeout(None)
        self._left = left
        self._forget: list[Callable[[], None]] = []

    def expired(self) -> bool:
        """Tell whether silence ended the block."""
        return self._timeout.expired()

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._look()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._forget_all()
        await self._timeout.__aexit__(kind, error, trace)

    def _forget_all(self) -> None:
        while self._forget:
            self._forget.pop()()

    def _look(self) -> None:
        self._forget_all()
        left, loop = self._left(), asyncio.get_running_loop()
        if left is None:
            return
        if left <= 0:
            self._timeout.reschedule(loop.time())
            return
        self._forget.append(loop.call_later(left, self._look).cancel)
        if (moved := current_clock.get()) is not None:
            thread = threading.get_ident()

            def ring() -> None:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._look)
                    moved.watch(loop, thread=thread)

            self._forget.append(moved.call_later(left, ring))


class MovedTimeout:
    """``asyncio.timeout`` by real time and by a clock that a test moves, whichever ends first."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._timeout = asyncio.timeout(seconds)
        self._delay = Delay(seconds, clock=clock)
        self._clock = clock

    def expired(self) -> bool:
        """Tell whether the time-out ended the block."""
        return self._timeout.expired()

    async def __aenter__(self) -> None:
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        await self._timeout.__aenter__()

        def end() -> None:
            with suppress(RuntimeError):  # it has ended already
                self._timeout.reschedule(loop.time())

        def ring() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(end)
                self._clock.watch(loop, thread=thread)

        self._delay.begin(ring)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._delay.forget()
        await self._timeout.__aexit__(kind, error, trace)
