"""Those of this process who wait for slots, in order. Only the first of a name keeps looking.

Processes cannot wake one another, so somebody has to look at the file again and again; a thousand
tasks that did would do nothing else. The others sleep until those before them are gone.
"""

from __future__ import annotations

import heapq
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache

Wake = Callable[[], None]


class Place:
    """One who waits, and the bell that wakes it."""

    def __init__(self, ticket: int, names: Sequence[str]) -> None:
        self.ticket = ticket
        self.names = names
        self._wake: Wake | None = None
        self._rung = False
        self._lock = threading.Lock()

    def ring(self) -> None:
        """Wake whoever waits here, or whoever will."""
        with self._lock:
            self._rung, wake = True, self._wake
        if wake is not None:
            wake()

    def subscribe(self, wake: Wake) -> None:
        """Have ``wake`` called when the bell rings; at once, if it has."""
        with self._lock:
            self._wake, rung = wake, self._rung
        if rung:
            wake()

    def has_rung(self) -> bool:
        """Tell whether the bell has rung since the last look."""
        return self._rung

    def look(self) -> None:
        """Begin a look: from now on the bell means news."""
        with self._lock:
            self._rung, self._wake = False, None


class Line:
    """All who wait in this process, by name and ticket."""

    def __init__(self) -> None:
        self._places: dict[str, dict[int, Place]] = {}
        self._tickets: dict[str, list[int]] = {}
        """Heaps, in which those who left may still be."""
        self._lock = threading.Lock()

    def join(self, place: Place) -> None:
        """Stand where the ticket says."""
        with self._lock:
            for name in place.names:
                self._places.setdefault(name, {})[place.ticket] = place
                heapq.heappush(self._tickets.setdefault(name, []), place.ticket)

    def leave(self, place: Place) -> None:
        """Step out, and wake who is first now."""
        with self._lock:
            for name in place.names:
                del self._places[name][place.ticket]
        self.ring(place.names)

    def is_first(self, place: Place) -> bool:
        """Tell whether nobody stands before this one for any of its names."""
        with self._lock:
            return all(self._first(name) is place for name in place.names)

    def ring(self, names: Iterable[str]) -> None:
        """Wake the first of each name: a slot is free, or somebody left."""
        with self._lock:
            first = {self._first(name) for name in names}
        for place in first:
            if place is not None:
                place.ring()

    def ring_all(self) -> None:
        """Wake whoever is first for any name."""
        self.ring(list(self._places))

    def _first(self, name: str) -> Place | None:
        places, tickets = self._places.get(name, {}), self._tickets.get(name, [])
        while tickets and tickets[0] not in places:
            heapq.heappop(tickets)
        return places[tickets[0]] if tickets else None

    def length(self, names: Iterable[str]) -> int:
        """Return how many wait for these names."""
        with self._lock:
            return sum(len(self._places.get(name, ())) for name in names)


def line_here() -> Line:
    """Return the line of this process; a forked child begins its own."""
    return _line_of(os.getpid())


@cache
def _line_of(pid: int) -> Line:
    return Line()
