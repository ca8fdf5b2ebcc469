"""A bound on what we ask of the API server, which kopf and the `kubernetes` package lack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

patient: ContextVar[bool] = ContextVar("patient", default=False)
"""Whether what is asked for lets all else go first: ten thousand runs that are told that they wait
must not keep the next one from its slot."""


class Bucket:
    """A token bucket; time is a parameter, so that it can be tested without waiting."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = 0.0

    def take(self, *, now: float, leaving: int = 0) -> float:
        """Take one token and return after how many seconds it may be used: when there are so many
        as it is to leave."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, (leaving - self._tokens) / self._per_second)


class Limiter:
    """Bounds requests in flight and their rate; bursts pass, floods queue up in order.

    A burst is for what is due at one moment, as a thousand Schedules on the hour; of it the patient
    take a small part.
    """

    def __init__(
        self,
        *,
        concurrency: int = 32,
        per_second: float = 200.0,
        burst: int = 1000,
        patient_burst: int = 200,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._bucket = Bucket(per_second=per_second, burst=burst)
        self._reserve = burst - patient_burst
        self._clock = clock

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        async with self._slots:
            leaving = self._reserve if patient.get() else 0
            delay = self._bucket.take(now=self._clock(), leaving=leaving)
            if delay > 0:
                await asyncio.sleep(delay)
            yield
