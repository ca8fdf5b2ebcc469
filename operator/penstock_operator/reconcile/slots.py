"""Who may run: the slots of a pool, its queues, and who is next.

The holders are the runs that are at work, as they are observed; nothing is counted up and down over
time, so nothing drifts. Who asks and gets a slot holds it from that moment (a grant), before its
status says so. Those who wait are sorted: by their queue's priority, their own, their age. A run
whose flow is at its own limit is passed over.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from penstock_operator.reconcile.lines import NO_LIMIT, FlowLimit, Lane, Line, Place
from penstock_operator.reconcile.names import DEFAULT_QUEUE

K = TypeVar("K", bound=Hashable)

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """One queue of a pool."""

    priority: int = 0
    """The queues of a higher one go first."""
    limit: int = NO_LIMIT


class Seat(NamedTuple, Generic[K]):
    """Where a run belongs."""

    queue: str
    place: Place
    flow: FlowLimit[K]
    is_new: bool = False
    """Whether it has never been at work."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The answer to a run that gets no slot now."""

    ahead: int
    """How many get one before."""
    for_flow: bool = False
    """Whether it is its flow's own limit that holds it, not the pool's."""


@dataclass(slots=True)
class _Queue(Generic[K]):
    limits: QueueLimits = QueueLimits()
    active: int = 0
    waiting: int = 0
    line: Line[K] = field(default_factory=Line)
    """Those who wait, without those that their flow's limit holds."""
    lanes: dict[FlowLimit[K], Lane[K]] = field(default_factory=dict)

    @property
    def free(self) -> int:
        return max(0, self.limits.limit - self.active)


class Slots(Generic[K]):
    """The slots of one pool."""

    def __init__(self) -> None:
        self._limit = NO_LIMIT
        self._limited = False
        self._listed: frozenset[str] = frozenset()
        self._queues: dict[str, _Queue[K]] = {}
        self._holders: dict[K, Seat[K]] = {}
        self._obstacles: dict[K, str] = {}
        self._granted: set[K] = set()
        self._kept: set[K] = set()
        """Those of them that wait for other slots, and keep this one meanwhile."""
        self._waiting: dict[K, Seat[K]] = {}

    def limit_to(self, limit: int | None, *, queues: dict[str, QueueLimits]) -> None:
        """Set the limits; what runs already goes on."""
        self._limit = NO_LIMIT if limit is None else limit
        self._limited = limit is not None or bool(queues)
        self._listed = frozenset(queues)
        for name in {*self._queues, *queues}:
            self._queue(name).limits = queues.get(name, QueueLimits())

    def holds(self, run: K, seat: Seat[K], *, obstacle: str = "") -> None:
        """Take in that a run is at work, or what keeps it from starting."""
        self._granted.discard(run)
        self._kept.discard(run)
        self._stop_waiting(run)
        if self._holders.get(run) != seat:
            self._give_back(run)
            self._take(run, seat)
        if obstacle:
            self._obstacles[run] = obstacle
        else:
            self._obstacles.pop(run, None)

    def rests(self, run: K) -> None:
        """Take in that a run is not at work, and does not wait for a slot."""
        if run not in self._granted:
            self._give_back(run)
        self._stop_waiting(run)

    def waits(self, run: K, seat: Seat[K]) -> None:
        """Take in that a run waits for a slot."""
        if run in self._granted:
            return
        self._give_back(run)
        queue = self._queue(seat.queue)
        # One that nothing lets start makes no room for itself.
        seat = seat._replace(is_new=seat.is_new and min(self._limit, queue.limits.limit) > 0)
        if self._waiting.get(run) != seat:
            self._stop_waiting(run)
            self._waiting[run] = seat
            queue.waiting += 1
            lane = queue.lanes.get(seat.flow) or self._open_lane(queue, seat.flow)
            lane.add(seat.place, run, room=seat.flow.room)
            if seat.is_new:
                seat.flow.arrives(run, seat.place)

    def ask(self, run: K, seat: Seat[K]) -> Wait | None:
        """Give the run a slot (``None``) if it is its turn, else say for what it waits."""
        if run in self._holders:
            return None
        self.waits(run, seat)
        if run not in self._turns():
            return self._wait_of(run, seat)
        self._stop_waiting(run)
        self._granted.add(run)
        self._take(run, seat)
        return None

    def not_taken(self, run: K) -> bool:
        """Take back a grant that led to nothing; return whether there was one."""
        if run not in self._granted:
            return False
        self._granted.discard(run)
        self._kept.discard(run)
        self._give_back(run)
        return True

    def keep(self, run: K) -> None:
        """Let a run keep its grant until it can use it."""
        if run in self._granted:
            self._kept.add(run)

    def is_kept(self, run: K) -> bool:
        """Tell whether a run keeps a grant that it could not use yet."""
        return run in self._kept

    @property
    def is_limited(self) -> bool:
        """Whether the pool itself lets anybody wait."""
        return self._limited

    def has_queue(self, name: str) -> bool:
        """Tell whether runs may wait in a queue of that name."""
        return name in self._listed or name == DEFAULT_QUEUE

    def has_turn_for(self, run: K, seat: Seat[K]) -> bool:
        """Tell whether a run would get a slot if it asked, or has one."""
        if run in self._holders:
            return True
        if run in self._waiting:
            return run in self._turns()
        is_known = seat.queue in self._queues
        self.waits(run, seat)
        has_turn = run in self._turns()
        self._stop_waiting(run)
        if not is_known:
            del self._queues[seat.queue]
        return has_turn

    def next(self) -> Iterator[K]:
        """Return those who would get a slot if they asked, the first first; of many, some: each
        that takes its slot leads to the next."""
        return islice(self._turns(), _AT_ONCE)

    def is_superseded(self, run: K) -> bool:
        """Tell whether newer runs of its flow are to run in its stead, where they may."""
        held, waits = self._holders.get(run), self._waiting.get(run)
        if held is not None:
            return held.flow.has_in_surplus(run, held.place, waits=False)
        if waits is not None and waits.is_new:
            return waits.flow.has_in_surplus(run, waits.place, waits=True)
        return False

    def __len__(self) -> int:
        return len(self._holders) + len(self._waiting)

    def active(self) -> int:
        """Return how many slots are held."""
        return len(self._holders)

    def by_queue(self) -> dict[str, tuple[int, int]]:
        """Return how many hold a slot and how many wait, by queue."""
        return {name: (queue.active, queue.waiting) for name, queue in sorted(self._queues.items())}

    def obstacles(self) -> dict[str, int]:
        """Return what keeps those from starting that hold a slot, and how many of them."""
        return dict(sorted(Counter(self._obstacles.values()).items()))

    def waiting_since(self) -> datetime | None:
        """Return when the oldest of those who wait was created."""
        return min((seat.place.since for seat in self._waiting.values()), default=None)

    def _turns(self) -> Iterator[K]:
        """Return all who may start now, the most urgent queue first."""
        free = self._limit - len(self._holders)
        starting: Counter[FlowLimit[K]] = Counter()
        for _, queue in self._by_urgency():
            free_here = queue.free
            for run in queue.line:
                if free <= 0:
                    return
                if free_here <= 0:
                    break
                flow = self._waiting[run].flow
                # In another queue some of its runs may be on their way to the same room.
                if starting[flow] < flow.room:
                    starting[flow] += 1
                    free, free_here = free - 1, free_here - 1
                    yield run

    def _wait_of(self, run: K, seat: Seat[K]) -> Wait:
        before = self._before(seat.queue)
        lanes = [(queue.lanes.get(seat.flow)) for queue in before]
        in_flow = sum(len(lane.waiting) for lane in lanes if lane is not None)
        queue = self._queue(seat.queue)
        in_flow += queue.lanes[seat.flow].waiting.ahead(seat.place, run)
        if in_flow >= seat.flow.room:
            return Wait(in_flow, for_flow=True)
        ahead = sum(len(queue.line) for queue in before)
        return Wait(ahead + queue.line.ahead(seat.place, run))

    def _by_urgency(self) -> list[tuple[str, _Queue[K]]]:
        return sorted(self._queues.items(), key=lambda each: (-each[1].limits.priority, each[0]))

    def _before(self, name: str) -> list[_Queue[K]]:
        """Return the queues that go before one."""
        mine = (-self._queue(name).limits.priority, name)
        return [
            queue for other, queue in self._queues.items() if (-queue.limits.priority, other) < mine
        ]

    def _queue(self, name: str) -> _Queue[K]:
        return self._queues.setdefault(name, _Queue())

    def _open_lane(self, queue: _Queue[K], flow: FlowLimit[K]) -> Lane[K]:
        lane = queue.lanes[flow] = Lane(queue.line)
        flow.lanes.append(lane)
        return lane

    def _take(self, run: K, seat: Seat[K]) -> None:
        self._holders[run] = seat
        self._queue(seat.queue).active += 1
        seat.flow.take(run, seat.place)

    def _give_back(self, run: K) -> None:
        seat = self._holders.pop(run, None)
        self._obstacles.pop(run, None)
        if seat is not None:
            self._queue(seat.queue).active -= 1
            seat.flow.give_back(run, seat.place)

    def _stop_waiting(self, run: K) -> None:
        seat = self._waiting.pop(run, None)
        if seat is None:
            return
        queue = self._queue(seat.queue)
        queue.waiting -= 1
        lane = queue.lanes[seat.flow]
        lane.remove(seat.place, run, room=seat.flow.room)
        if not len(lane.waiting):
            del queue.lanes[seat.flow]
            seat.flow.lanes.remove(lane)
        if seat.is_new:
            seat.flow.leaves(run, seat.place)
