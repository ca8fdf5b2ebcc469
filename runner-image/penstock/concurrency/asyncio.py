"""Limits in async code: ``async with concurrency("database"):`` and ``await rate_limit("api")``."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing

from penstock.concurrency.acquiring import Errand, Release, Vigil, acquire, request_of
from penstock.concurrency.claims import Request
from penstock.concurrency.terms import term_of
from penstock.drivers.holding import holding
from penstock.drivers.loops import suspend_until
from penstock.drivers.scope import enter_engine
from penstock.errors import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
)

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "concurrency",
    "rate_limit",
]


@asynccontextmanager
async def concurrency(
    names: str | Iterable[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    *,
    strict: bool = False,
) -> AsyncIterator[None]:
    """Do what ``penstock.concurrency.sync.concurrency`` does, without blocking the loop."""
    request = request_of(
        names, occupy=occupy, timeout_seconds=timeout_seconds, strict=strict, held=True
    )
    release = await acquire_suspending(request)
    holding.set(holding.get() + 1)
    try:
        yield
    finally:
        holding.set(holding.get() - 1)
        release()


async def rate_limit(
    names: str | Iterable[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    *,
    strict: bool = False,
) -> None:
    """Do what ``penstock.concurrency.sync.rate_limit`` does, without blocking the loop."""
    await acquire_suspending(
        request_of(names, occupy=occupy, timeout_seconds=timeout_seconds, strict=strict, held=False)
    )


async def acquire_suspending(request: Request) -> Release:
    """Wait until the slots are taken; return what gives them back."""
    scope = enter_engine()
    steps = acquire(request, term=term_of(request, scope=scope))
    with closing(steps), closing(Vigil(scope)) as vigil:
        while True:
            try:
                step = next(steps)
            except StopIteration as done:
                release: Release = done.value
                return release
            if isinstance(step, Errand):
                await to_thread(step.run)
                continue
            vigil.see(step)
            place = step.place
            await suspend_until(
                place.has_rung, subscribe=place.subscribe, scope=scope, timeout=step.seconds
            )
