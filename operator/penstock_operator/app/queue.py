"""The work queue: which key is reconciled next, and when a failed one is tried again.

kopf never retries an `on.event` handler, and timers of its own would cost writes and finalizers; so
handlers only put keys here. As with client-go's queue a key waits at most once however often it is
added, one worker at a time has it, and what is added meanwhile runs once more afterwards.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from penstock_operator.kube.limits import patient

K = TypeVar("K", bound=Hashable)

MOST_BEHIND, MOST_BESIDE_NEWS = 8, 2
"""So many keys run at once for want of news, and while news are at work. Each takes its share of
the one loop and of the API server, which is what news would wait for."""

_FEW = 1_000
"""So many stale timers are not worth a sweep."""


class Backlog(Generic[K]):
    """The queue's state and rules; time is a parameter, nothing waits in here."""

    def __init__(self, *, jitter: Callable[[], float] = random.random) -> None:
        self._ready: deque[K] = deque()
        self._ready_behind: deque[K] = deque()
        self._dirty: set[K] = set()
        self._in_front: set[K] = set()
        self._running: set[K] = set()
        self._running_behind: set[K] = set()
        self._due: dict[tuple[K, bool], float] = {}
        """When a key is due, and when behind all news: such a look must not replace the other."""
        self._timers: list[tuple[float, int, K, bool]] = []
        self._serial = 0
        self._failures: dict[K, int] = {}
        self._jitter = jitter

    def __len__(self) -> int:
        return len(self._dirty)

    def add(self, key: K) -> None:
        """Let a key run as soon as a worker is free and it is not running already."""
        self._add(key, self._ready)

    def add_behind(self, key: K) -> None:
        """Let a key run when no news are waiting: for a start's masses, and for looks by the clock.

        A key that is added again as news overtakes; the place it leaves is passed over later.
        """
        if key not in self._dirty:
            self._add(key, self._ready_behind)

    def _add(self, key: K, lane: deque[K]) -> None:
        if key in self._in_front:
            return
        self._dirty.add(key)
        if lane is self._ready:
            self._in_front.add(key)
        if key not in self._running:
            lane.append(key)

    def add_at(self, key: K, when: float, *, behind: bool = False) -> None:
        """Let a key run at a time, unless it is to run earlier anyway."""
        soonest = self._due.get((key, False), float("inf"))
        if behind:
            soonest = min(soonest, self._due.get((key, True), float("inf")))
        if when >= soonest:
            return
        self._due[key, behind] = when
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, key, behind))
        if len(self._timers) > 2 * len(self._due) + _FEW:
            self._drop_all_stale()

    def retry_at(self, key: K, *, now: float, at_least: float = 0.0) -> float:
        """Let a failed key run again: after 0.1 s, doubling up to 60 s, spread by half."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(60.0, 0.1 * 2.0 ** min(failures, 12)) * (0.5 + 0.5 * self._jitter())
        when = now + max(delay, at_least)
        self.add_at(key, when)
        return when

    def succeeded(self, key: K) -> None:
        self._failures.pop(key, None)

    def take(self, *, now: float) -> K | None:
        """Hand out the next key, or nothing; `done` gives it back."""
        self._wake(now)
        key = self._next_of(self._ready)
        if key is None and self._has_room_behind():
            key = self._next_of(self._ready_behind)
            if key is not None:
                self._running_behind.add(key)
        return key

    def _has_room_behind(self) -> bool:
        has_news = len(self._running) > len(self._running_behind)
        return len(self._running_behind) < (MOST_BESIDE_NEWS if has_news else MOST_BEHIND)

    def _next_of(self, lane: deque[K]) -> K | None:
        while lane:
            key = lane.popleft()
            if key in self._dirty and key not in self._running:
                return self._hand_out(key)
        return None

    def runs_behind(self, key: K) -> bool:
        """Tell whether a key was handed out because no news were waiting."""
        return key in self._running_behind

    def _hand_out(self, key: K) -> K:
        self._dirty.discard(key)
        self._in_front.discard(key)
        self._running.add(key)
        # The reconcile at hand sees everything that was to be looked at later.
        self._due.pop((key, False), None)
        self._due.pop((key, True), None)
        return key

    def done(self, key: K) -> None:
        self._running.discard(key)
        self._running_behind.discard(key)
        if key in self._dirty:
            (self._ready if key in self._in_front else self._ready_behind).append(key)

    def next_due(self) -> float | None:
        """Return when the next waiting key becomes ready."""
        self._drop_stale()
        return self._timers[0][0] if self._timers else None

    def _wake(self, now: float) -> None:
        self._drop_stale()
        while self._timers and self._timers[0][0] <= now:
            _, _, key, behind = heapq.heappop(self._timers)
            del self._due[key, behind]
            if behind:
                self.add_behind(key)
            else:
                self.add(key)
            self._drop_stale()

    def _drop_stale(self) -> None:
        while self._timers and not self._holds(self._timers[0]):
            heapq.heappop(self._timers)

    def _holds(self, timer: tuple[float, int, K, bool]) -> bool:
        when, _, key, behind = timer
        return self._due.get((key, behind)) == when

    def _drop_all_stale(self) -> None:
        """Forget what was put off or has run meanwhile: a run that sleeps for a month is looked at
        at each resync, and each look notes its date again."""
        self._timers = [each for each in self._timers if self._holds(each)]
        heapq.heapify(self._timers)


class WorkQueue(Generic[K]):
    """Drives a backlog with a number of workers.

    `reconcile` raises to be tried again with backoff, and asks for its next look by `add_after`.
    `on_error` hears of each failure, and tells how long to wait at least.
    """

    def __init__(
        self,
        reconcile: Callable[[K], Awaitable[None]],
        *,
        on_error: Callable[[K, Exception], float],
        clock: Callable[[], float] = time.monotonic,
        backlog: Backlog[K] | None = None,
    ) -> None:
        self._reconcile = reconcile
        self._on_error = on_error
        self._clock = clock
        self._backlog: Backlog[K] = backlog if backlog is not None else Backlog()
        self._changed = asyncio.Event()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._backlog)

    def add(self, key: K) -> None:
        self._backlog.add(key)
        self._changed.set()

    def add_behind(self, key: K) -> None:
        self._backlog.add_behind(key)
        self._changed.set()

    def add_after(self, key: K, seconds: float, *, behind: bool = True) -> None:
        """Look at a key later, behind the news of that time: many pending runs may be polled."""
        self._backlog.add_at(key, self._clock() + max(0.0, seconds), behind=behind)
        self._changed.set()

    def stop(self) -> None:
        """Let workers finish what they have in hand and start nothing more."""
        self._stopping = True
        self._changed.set()

    async def run(self, *, workers: int) -> None:
        """Work until stopped."""
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(self._work(), name=f"reconcile worker {number}")

    async def _work(self) -> None:
        while not self._stopping:
            key = self._backlog.take(now=self._clock())
            if key is None:
                await self._wait()
                continue
            patient.set(self._backlog.runs_behind(key))
            try:
                await self._attempt(key)
            finally:
                self._backlog.done(key)
                self._changed.set()
            # A look that finds nothing to do awaits nothing: ten thousand of them, as after a
            # start, would keep the loop to themselves for seconds.
            await asyncio.sleep(0)

    async def _attempt(self, key: K) -> None:
        try:
            await self._reconcile(key)
        except Exception as error:
            at_least = self._on_error(key, error)
            self._backlog.retry_at(key, now=self._clock(), at_least=at_least)
        else:
            self._backlog.succeeded(key)

    async def _wait(self) -> None:
        due = self._backlog.next_due()
        self._changed.clear()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._changed.wait()
        except TimeoutError:
            pass
