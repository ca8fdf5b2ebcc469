"""How slots are come by, once for sync and async: steps that yield the seconds to wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import cache

from penstock.concurrency.limits import Limit, limits_file, read_limits
from penstock.concurrency.slots import SlotStore
from penstock.errors import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
)

_FIRST_LOOK = 0.01
_LATER_LOOKS = 0.25
"""Seconds between looks at slots that others hold: processes cannot wake one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for, and how long that may take."""

    names: tuple[str, ...]
    slots: int
    timeout_seconds: float | None
    strict: bool
    held: bool
    """Whether the slots are given back, or come back by decay."""


def request_of(
    names: str | Iterable[str],
    *,
    occupy: int,
    timeout_seconds: float | None,
    strict: bool,
    held: bool,
) -> Request:
    """Return a checked request."""
    names = (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))
    if type(occupy) is not int or occupy < 1:
        raise ValueError(f"occupy is a number of at least 1, not {occupy!r}.")
    if timeout_seconds is not None and timeout_seconds < 0:
        raise ValueError(f"timeout_seconds is at least 0, or None, not {timeout_seconds!r}.")
    return Request(
        names=names, slots=occupy, timeout_seconds=timeout_seconds, strict=strict, held=held
    )


Release = Callable[[], None]


def acquire(request: Request) -> Generator[float, None, Release]:
    """Yield seconds to wait until the slots are taken; return what gives them back."""
    store = SlotStore(limits_file().with_name("slots.db"))
    deadline = None if request.timeout_seconds is None else _now() + request.timeout_seconds
    look = _FIRST_LOOK
    while True:
        limits = _limits_of(request)
        if not limits:
            return lambda: None
        taken = store.take(limits, slots=request.slots, held=request.held)
        if isinstance(taken, str):
            lease = taken
            return lambda: store.give_back(lease) if request.held else None
        wait = min(taken, look)
        look = min(2 * look, _LATER_LOOKS)
        if deadline is not None:
            left = deadline - _now()
            if left <= 0:
                raise AcquireConcurrencySlotTimeoutError(_too_late(request))
            wait = min(wait, left)
        yield wait


_now = time.monotonic


def _limits_of(request: Request) -> list[Limit]:
    known = read_limits()
    limits = []
    for name in request.names:
        limit = known.get(name)
        if limit is not None:
            _check(limit, request)
            limits.append(limit)
        elif request.strict:
            raise ConcurrencySlotAcquisitionError(_without_limit(name))
        else:
            _say_that_nothing_limits(name)
    return limits


def _check(limit: Limit, request: Request) -> None:
    if 0 < limit.slots < request.slots:
        raise ConcurrencySlotAcquisitionError(
            f"{request.slots} slots of {limit.name} can never be had: its limit is {limit.slots}."
        )
    if not request.held and not limit.decay:
        raise ConcurrencySlotAcquisitionError(
            f"The limit {limit.name} has no decay, so rate_limit would never get a slot back: "
            f"penstock limit set {limit.name} {limit.slots} --decay SLOTS_PER_SECOND"
        )


@cache
def _say_that_nothing_limits(name: str) -> None:
    logging.getLogger("penstock").warning("%s", _without_limit(name))


def _without_limit(name: str) -> str:
    return f"There is no limit {name}, so nothing waits for it: penstock limit set {name} NUMBER"


def _too_late(request: Request) -> str:
    names = ", ".join(request.names)
    return f"No slots of {names} were free within {request.timeout_seconds:g} s; all are taken."
