"""Who may run: the slots of a pool, its queues, and who is next.

The holders are the runs that are at work, as they are observed; nothing is counted up and down over
time, so nothing drifts. Who asks and gets a slot holds it from that moment (a grant), before its
status says so. Those who wait are sorted: by their queue's priority, their own, their age.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

NO_LIMIT = 2**31
_AT_ONCE = 50


class Place(NamedTuple):
    """Where a run stands among those of its queue; the smaller goes first."""

    rank: int
    """Its priority, negated."""
    since: datetime
    """When it was created."""
    name: str


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """One queue of a pool."""

    priority: int = 0
    """The queues of a higher one go first."""
    limit: int = NO_LIMIT


@dataclass(slots=True)
class _Queue(Generic[K]):
    limits: QueueLimits = QueueLimits()
    active: int = 0
    waiting: list[tuple[Place, K]] = field(default_factory=list)

    @property
    def free(self) -> int:
        return max(0, self.limits.limit - self.active)


class Slots(Generic[K]):
    """The slots of one pool."""

    def __init__(self) -> None:
        self._limit = NO_LIMIT
        self._limited = False
        self._queues: dict[str, _Queue[K]] = {}
        self._holders: dict[K, str] = {}
        self._granted: set[K] = set()
        self._waiting: dict[K, tuple[str, Place]] = {}

    def limit_to(self, limit: int | None, *, queues: dict[str, QueueLimits]) -> None:
        """Set the limits; what runs already goes on."""
        self._limit = NO_LIMIT if limit is None else limit
        self._limited = limit is not None or bool(queues)
        for name in {*self._queues, *queues}:
            self._queue(name).limits = queues.get(name, QueueLimits())

    def holds(self, run: K, *, queue: str) -> None:
        """Take in that a run is at work."""
        self._granted.discard(run)
        self._stop_waiting(run)
        if self._holders.get(run) != queue:
            self._give_back(run)
            self._take(run, queue)

    def rests(self, run: K) -> None:
        """Take in that a run is not at work, and does not wait for a slot."""
        if run not in self._granted:
            self._give_back(run)
        self._stop_waiting(run)

    def waits(self, run: K, *, queue: str, place: Place) -> None:
        """Take in that a run waits for a slot."""
        if run in self._granted:
            return
        self._give_back(run)
        if self._waiting.get(run) != (queue, place):
            self._stop_waiting(run)
            self._waiting[run] = (queue, place)
            insort(self._queue(queue).waiting, (place, run))

    def ask(self, run: K, *, queue: str, place: Place) -> int | None:
        """Give the run a slot (``None``) if it is its turn, else say how many are ahead of it."""
        if run in self._holders:
            return None
        self.waits(run, queue=queue, place=place)
        ahead = self._ahead(queue, (place, run))
        if ahead >= self._allotted(queue):
            return ahead + self._before(queue)
        self._stop_waiting(run)
        self._granted.add(run)
        self._take(run, queue)
        return None

    def not_taken(self, run: K) -> bool:
        """Take back a grant that led to nothing; return whether there was one."""
        if run not in self._granted:
            return False
        self._granted.discard(run)
        self._give_back(run)
        return True

    @property
    def is_limited(self) -> bool:
        """Whether anybody may have to wait."""
        return self._limited

    def next(self) -> Iterator[K]:
        """Return those who would get a slot if they asked, the first first; of many, some: each
        that takes its slot leads to the next."""
        for queue, allotted in self._allotments():
            for _, run in queue.waiting[: min(allotted, _AT_ONCE)]:
                yield run

    def __len__(self) -> int:
        return len(self._holders) + len(self._waiting)

    def active(self) -> int:
        """Return how many slots are held."""
        return len(self._holders)

    def by_queue(self) -> dict[str, tuple[int, int]]:
        """Return how many hold a slot and how many wait, by queue."""
        return {
            name: (queue.active, len(queue.waiting)) for name, queue in sorted(self._queues.items())
        }

    def waiting_since(self) -> datetime | None:
        """Return when the oldest of those who wait was created."""
        return min((place.since for _, place in self._waiting.values()), default=None)

    def _allotments(self) -> Iterator[tuple[_Queue[K], int]]:
        """Say how many of each queue may start now, the most urgent queue first."""
        free = max(0, self._limit - len(self._holders))
        ordered = sorted(self._queues.items(), key=lambda each: (-each[1].limits.priority, each[0]))
        for _, queue in ordered:
            allotted = min(free, queue.free, len(queue.waiting))
            free -= allotted
            yield queue, allotted

    def _allotted(self, name: str) -> int:
        wanted = self._queue(name)
        return next(allotted for queue, allotted in self._allotments() if queue is wanted)

    def _before(self, name: str) -> int:
        """Return how many wait in more urgent queues."""
        mine = (-self._queue(name).limits.priority, name)
        return sum(
            len(queue.waiting)
            for other, queue in self._queues.items()
            if (-queue.limits.priority, other) < mine
        )

    def _ahead(self, name: str, entry: tuple[Place, K]) -> int:
        return bisect_left(self._queue(name).waiting, entry)

    def _queue(self, name: str) -> _Queue[K]:
        return self._queues.setdefault(name, _Queue())

    def _take(self, run: K, queue: str) -> None:
        self._holders[run] = queue
        self._queue(queue).active += 1

    def _give_back(self, run: K) -> None:
        queue = self._holders.pop(run, None)
        if queue is not None:
            self._queue(queue).active -= 1

    def _stop_waiting(self, run: K) -> None:
        known = self._waiting.pop(run, None)
        if known is not None:
            queue, place = known
            entries = self._queue(queue).waiting
            del entries[bisect_left(entries, (place, run))]
