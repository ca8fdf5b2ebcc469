"""Limits in sync code: ``with concurrency("database"):`` and ``rate_limit("api")``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from penstock.concurrency.acquiring import Errand, Release, Vigil, acquire, request_of
from penstock.concurrency.claims import Request
from penstock.concurrency.terms import term_of
from penstock.drivers.holding import holding
from penstock.drivers.scope import enter_engine
from penstock.drivers.waiting import block_until
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


@contextmanager
def concurrency(
    names: str | Iterable[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    *,
    strict: bool = False,
) -> Iterator[None]:
    """Hold ``occupy`` slots of every name while the block runs; wait until they are free.

    A name without a limit does not wait, and says so once; ``strict`` refuses it. Raises
    ``AcquireConcurrencySlotTimeoutError``, a ``TimeoutError``.
    """
    request = request_of(
        names, occupy=occupy, timeout_seconds=timeout_seconds, strict=strict, held=True
    )
    release = acquire_blocking(request)
    holding.set(holding.get() + 1)
    try:
        yield
    finally:
        holding.set(holding.get() - 1)
        release()


def rate_limit(
    names: str | Iterable[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    *,
    strict: bool = False,
) -> None:
    """Take ``occupy`` slots of every name; wait until enough have come back by their decay."""
    acquire_blocking(
        request_of(names, occupy=occupy, timeout_seconds=timeout_seconds, strict=strict, held=False)
    )


def acquire_blocking(request: Request) -> Release:
    """Block until the slots are taken; return what gives them back."""
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
                step.run()
                continue
            vigil.see(step)
            place = step.place
            block_until(
                place.has_rung, subscribe=place.subscribe, scope=scope, timeout=step.seconds
            )
