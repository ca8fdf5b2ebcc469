"""Runs in line: by their place, and no more of a flow than its own limit lets start.

A flow that is at its limit must hold up nobody else, and ten thousand of its runs that wait must
cost the others nothing. So each of its runs stands in a lane of the flow, and of each lane the
queue sees as many of the first as the flow has room for.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

NO_LIMIT = 2**31


class Place(NamedTuple):
    """Where a run stands among those of its queue; the smaller goes first."""

    rank: int
    """Its priority, negated."""
    since: datetime
    """When it was created."""
    name: str

    def by_age(self) -> "Place":
        """Return its place where priorities do not count."""
        return self._replace(rank=0)


class Line(Generic[K]):
    """Runs by their places."""

    def __init__(self) -> None:
        self._entries: list[tuple[Place, K]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[K]:
        return (run for _, run in self._entries)

    def __getitem__(self, index: int) -> tuple[Place, K]:
        return self._entries[index]

    def add(self, place: Place, run: K) -> None:
        insort(self._entries, (place, run))

    def remove(self, place: Place, run: K) -> None:
        del self._entries[self.ahead(place, run)]

    def ahead(self, place: Place, run: K) -> int:
        """Return how many are before it."""
        return bisect_left(self._entries, (place, run))


class Lane(Generic[K]):
    """The runs of one flow that wait in one queue."""

    def __init__(self, shown_to: Line[K]) -> None:
        self.waiting: Line[K] = Line()
        self._shown = 0
        self._shown_to = shown_to

    def add(self, place: Place, run: K, *, room: int) -> None:
        self.waiting.add(place, run)
        if self.waiting.ahead(place, run) < self._shown:
            self._shown_to.add(place, run)
            self._shown += 1
        self.show(room)

    def remove(self, place: Place, run: K, *, room: int) -> None:
        if self.waiting.ahead(place, run) < self._shown:
            self._shown_to.remove(place, run)
            self._shown -= 1
        self.waiting.remove(place, run)
        self.show(room)

    def show(self, room: int) -> None:
        """Show as many to the queue as there is room for."""
        wanted = min(room, len(self.waiting))
        while self._shown < wanted:
            self._shown_to.add(*self.waiting[self._shown])
            self._shown += 1
        while self._shown > wanted:
            self._shown -= 1
            self._shown_to.remove(*self.waiting[self._shown])


class FlowLimit(Generic[K]):
    """How many runs of one flow may be at work, in whatever pools, and who is."""

    def __init__(self) -> None:
        self.limit = NO_LIMIT
        self.lanes: list[Lane[K]] = []
        self._holders: Line[K] = Line()
        self._newcomers: Line[K] = Line()

    @property
    def room(self) -> int:
        return max(0, self.limit - len(self._holders))

    def limit_to(self, limit: int | None) -> None:
        self.limit = NO_LIMIT if limit is None else limit
        self._fit()

    def take(self, run: K, place: Place) -> None:
        self._holders.add(place.by_age(), run)
        self._fit()

    def give_back(self, run: K, place: Place) -> None:
        self._holders.remove(place.by_age(), run)
        self._fit()

    def arrives(self, run: K, place: Place) -> None:
        """Take in that a run waits which has never been at work."""
        self._newcomers.add(place.by_age(), run)

    def leaves(self, run: K, place: Place) -> None:
        """Take in that such a run waits no more."""
        self._newcomers.remove(place.by_age(), run)

    def surplus(self) -> Iterator[K]:
        """Return those who would have to go if the newest were to run: the oldest at work first."""
        return islice(chain(self._holders, self._newcomers), self._excess())

    def has_in_surplus(self, run: K, place: Place, *, waits: bool) -> bool:
        """Tell whether a run is one of them."""
        line = self._newcomers if waits else self._holders
        ahead = line.ahead(place.by_age(), run) + (len(self._holders) if waits else 0)
        return ahead < self._excess()

    def _excess(self) -> int:
        if not self._newcomers or not self.limit:
            return 0
        return max(0, len(self._holders) + len(self._newcomers) - self.limit)

    def _fit(self) -> None:
        for lane in self.lanes:
            lane.show(self.room)
