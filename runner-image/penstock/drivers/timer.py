"""One thread that calls back when a delay is over, so that no thread sleeps through a retry's."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count


class Timer:
    """Calls functions later, in its own thread; they must be quick."""

    def __init__(self, *, name: str) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        """Call ``function`` once ``seconds`` have passed, unless closed before."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), function))
            self._changed.notify()

    def close(self) -> None:
        """Forget what is not due yet, and let the thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while (function := self._next()) is not None:
            function()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None
