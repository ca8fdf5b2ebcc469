"""A bound on what we ask of the API server, which kopf and the `kubernetes` package lack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Bucket:
    """A token bucket; time is a parameter, so that it can be tested without waiting."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = 0.0

    def take(self, *, now: float) -> float:
        """Take one token and return after how many seconds it may be used."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_second)


class Limiter:
    """Bounds requests in flight and their rate; bursts pass, floods queue up in order."""

    def __init__(
        self,
        *,
        concurrency: int = 32,
        per_second: float = 200.0,
        burst: int = 400,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._bucket = Bucket(per_second=per_second, burst=burst)
        self._clock = clock

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        async with self._slots:
            delay = self._bucket.take(now=self._clock())
            if delay > 0:
                await asyncio.sleep(delay)
            yield
