"""The limits of this machine: whoever waits looks, now and then or when it is woken."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.concurrency.claims import Claim, Request, refuse_impossible, say_unlimited
from penstock.concurrency.limits import Limit, limits_file, limits_of_tags, read_limits
from penstock.concurrency.line import Line, Place, line_here
from penstock.concurrency.slots import Queued, SlotStore, Taken
from penstock.concurrency.waking import listen, wake

_FIRST_LOOK = 0.01
_NEXT_LOOKS = 0.05
_LATER_LOOKS = 0.25
_LAST_RESORT = 5.0
"""Seconds between looks: of the first of all, of those behind it in other processes, and of those
who stand behind another one in this process, who will wake them."""


class LocalLimits:
    """What ``penstock limit set`` wrote, and who holds slots on this machine."""

    def claim(self, request: Request, *, overtakes: bool) -> Claim:
        """Stand in line, from the first look on."""
        return LocalClaim(request, overtakes=overtakes)

    def of_tags(self, tags: Iterable[str]) -> list[str]:
        """Return the names of the limits that these tags have."""
        return limits_of_tags(tags)

    def may_be_of_tags(self, tags: Iterable[str]) -> bool:
        """Tell whether these tags have any."""
        return bool(limits_of_tags(tags))


LIMITS = LocalLimits()


class LocalClaim:
    """Slots that are waited for, then held, in the file that all processes share."""

    waits_for = None
    is_answered = True

    def __init__(self, request: Request, *, overtakes: bool) -> None:
        self._request = request
        self._overtakes = overtakes
        self._store = SlotStore(limits_file().with_name("slots.db"))
        self._line = line_here()
        self._queued: Place | None = None
        self._taken: Taken | None = None
        self._next_look = _FIRST_LOOK

    @property
    def place(self) -> Place:
        """Return where it stands in the line of this process."""
        assert self._queued is not None, "who waits stands in line"
        return self._queued

    def look(self) -> float | None:
        """Return None once all slots are had; else the seconds until the next look."""
        limits = _limits_of(self._request)
        if not limits:
            self._step_out()
            return None
        place = self._queued
        if place is not None:
            place.look()
        found = self._store.take(
            limits,
            slots=self._request.slots,
            held=self._request.held,
            ticket=place.ticket if place else None,
            overtakes=self._overtakes,
        )
        if isinstance(found, Taken):
            self._taken = found
            wake(found.next)
            self._step_out()
            return None
        if place is None:
            place = self._queued = Place(found.ticket, [limit.name for limit in limits])
            self._line.join(place)
            listen()
        look, self._next_look = self._next_look, min(2 * self._next_look, _NEXT_LOOKS)
        return _seconds_to_look(found, look=look, place=place, line=self._line)

    def leave(self) -> None:
        """Give back what is had, and wait no longer."""
        self._step_out()
        taken, self._taken = self._taken, None
        if taken is not None and self._request.held:
            wake(self._store.give_back(taken.lease, self._request.names))

    def _step_out(self) -> None:
        place, self._queued = self._queued, None
        if place is None:
            return
        self._line.leave(place)
        if self._taken is None:
            wake(self._store.leave(place.ticket, place.names))


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
        if limit is None:
            say_unlimited(name, request, remedy=f"penstock limit set {name} NUMBER")
            continue
        refuse_impossible(
            name,
            request,
            limit=limit.slots,
            decay=limit.decay,
            remedy=f"penstock limit set {name} {limit.slots} --decay SLOTS_PER_SECOND",
        )
        limits.append(limit)
    return limits
