"""How slots are come by, once for sync and async: steps that yield what to wait for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import cache

from penstock.concurrency.limits import Limit, limits_file, read_limits
from penstock.concurrency.line import Line, Place, line_here
from penstock.concurrency.slots import Queued, SlotStore, Taken
from penstock.concurrency.waking import listen, wake
from penstock.drivers.clocks import monotonic
from penstock.drivers.holding import holds_slots
from penstock.drivers.scope import current_scope
from penstock.errors import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
)

_FIRST_LOOK = 0.01
_NEXT_LOOKS = 0.05
_LATER_LOOKS = 0.25
_LAST_RESORT = 5.0
"""Seconds between looks: of the first of all, of those behind it in other processes, and of those
who stand behind another one in this process, who will wake them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for, and how long that may take."""

    names: tuple[str, ...]
    slots: int
    timeout_seconds: float | None
    strict: bool
    held: bool
    """Whether the slots are given back, or come back by decay."""
    overtakes: bool = False
    """Whether it holds slots already: those before it may be waiting for these."""
    is_quiet: bool = False
    """Whether a name without a limit is nothing to speak of."""


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


@dataclass(frozen=True, slots=True)
class Wait:
    """Let these seconds pass, or less if the bell rings."""

    seconds: float
    place: Place


Release = Callable[[], None]


def acquire(request: Request) -> Generator[Wait, None, Release]:
    """Yield what to wait for until the slots are taken; return what gives them back."""
    store, line = SlotStore(limits_file().with_name("slots.db")), line_here()
    deadline = None if request.timeout_seconds is None else monotonic() + request.timeout_seconds
    place: Place | None = None
    has_ticket = False
    look = _FIRST_LOOK
    try:
        while limits := _limits_of(request):
            if place is not None:
                place.look()
            found = store.take(
                limits,
                slots=request.slots,
                held=request.held,
                ticket=place.ticket if place else None,
                overtakes=request.overtakes or holds_slots(current_scope.get()),
            )
            if isinstance(found, Taken):
                has_ticket = False
                wake(found.next)
                return _release_of(found, request, store=store)
            if place is None:
                has_ticket = True
                place = Place(found.ticket, [limit.name for limit in limits])
                line.join(place)
                listen()
            wait = _seconds_to_look(found, look=look, place=place, line=line)
            look = min(2 * look, _NEXT_LOOKS)
            if deadline is not None:
                left = deadline - monotonic()
                if left <= 0:
                    raise AcquireConcurrencySlotTimeoutError(_too_late(request))
                wait = min(wait, left)
            yield Wait(wait, place)
        return _nothing
    finally:
        if place is not None:
            line.leave(place)
            if has_ticket:
                wake(store.leave(place.ticket, place.names))


def _nothing() -> None:
    """Give nothing back: nothing was limited."""


def _release_of(taken: Taken, request: Request, *, store: SlotStore) -> Release:
    def release() -> None:
        wake(store.give_back(taken.lease, request.names))

    return release if request.held else _nothing


def _seconds_to_look(found: Queued, *, look: float, place: Place, line: Line) -> float:
    if not line.is_first(place):
        return _LAST_RESORT + _NEXT_LOOKS * line.length(place.names)
    if found.ahead:
        return min(_NEXT_LOOKS * (1 + found.ahead), _LATER_LOOKS)
    return min(found.seconds, look if found.seconds > _LATER_LOOKS else _LATER_LOOKS)


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
        elif not request.is_quiet:
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
