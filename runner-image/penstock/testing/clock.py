"""Time that stands still while anybody works, and jumps ahead when everybody waits for it.

A thread at work holds the time: the test's own, one that runs a body, one that is about to. It
works no more once it waits at a gate, which is what every wait of the engine comes down to. An
event loop holds the time while one of its callbacks can run; where its tasks wait for the world, it
is given ``patience`` seconds. When nobody holds it, the time is put forward to the moment for which
somebody waits next, and no further.

Whoever wakes a waiter counts it as working in the same breath, in its own thread: there is no
moment at which one has gone to sleep and the one that it woke is not up yet.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from penstock.clock import current_clock
from penstock.drivers.timer import Timer
from penstock.testing.alarms import Alarm, Alarms
from penstock.testing.idle_loops import awaited_world, has_work
from penstock.testing.parties import Gate, Round, Stint

_BILLION = 1_000_000_000
_SLICE = 0.01
"""Seconds between looks at a loop that waits for the world."""


class _Moved:
    """What there is to await when time has been moved already: nothing."""

    def __await__(self) -> Generator[object, None, None]:
        return
        yield


class MovingTime:
    """A clock for tests. Made by ``moving_time``."""

    def __init__(self, start: datetime, *, patience: float) -> None:
        self._start = start
        self._passed = 0
        self._patience = patience
        self._lock = threading.Lock()
        self._alarms = Alarms()
        self._begun = 0
        """Stints that no thread has entered yet."""
        self._working: Counter[int] = Counter()
        """Threads that are inside of stints."""
        self._parked: set[int] = set()
        """Threads that wait at a gate."""
        self._loops: dict[AbstractEventLoop, int | None] = {}
        """Loops that take part, and their threads."""
        self._news = 0
        self._round: Round | None = None
        self._ended_at: float | None = None
        """When the test was over, by real time, which passes from then on."""
        self._at_end: list[Callable[[], None]] = []
        self._timer: Timer | None = None
        """Goes on with what waits after that."""

    def now(self) -> datetime:
        """Return the moment, in UTC."""
        seconds, nanoseconds = divmod(self._nanoseconds(), _BILLION)
        return self._start + timedelta(seconds=seconds, microseconds=nanoseconds / 1000)

    def monotonic(self) -> float:
        """Return the seconds that have passed since the start."""
        return self._nanoseconds() / _BILLION

    @property
    def elapsed(self) -> float:
        """The seconds that have passed since the start."""
        return self.monotonic()

    def move(
        self,
        *,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> Awaitable[None]:
        """Let so much time pass, and all happen that is due in it, in order; under a running event
        loop, await it.

        Returns once everybody else waits again, or has ended. Inside a body it is how long the
        body's work takes, which its time-out notices.
        """
        length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        if length < timedelta(0):
            raise ValueError("Time is moved ahead only: no wait would know how to go back.")
        loop = asyncio._get_running_loop()  # noqa: SLF001 - public in CPython for this
        if loop is not None:
            return self._move_in_loop(loop, length.total_seconds())
        gate = self.gate()
        self._set_alarm(length.total_seconds(), gate.set, rank=1)
        gate.wait_telling(self._tell_who_works, after=self._patience)
        return _Moved()

    def _tell_who_works(self) -> None:
        """Say what holds the time up, which might do so for ever."""
        with self._lock:
            working = self._working.keys() - self._parked
        names = sorted(each.name for each in threading.enumerate() if each.ident in working)
        logging.getLogger("penstock.testing").warning(
            "Time is to be moved, and waits for what works in %s.",
            f"the threads {', '.join(names)}" if names else "an event loop",
        )

    async def _move_in_loop(self, loop: AbstractEventLoop, seconds: float) -> None:
        moved, thread = asyncio.Event(), threading.get_ident()

        def ring() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(moved.set)
                self.watch(loop, thread=thread)

        forget = self._set_alarm(seconds, ring, rank=1)
        self.watch(loop, thread=thread)
        try:
            await moved.wait()
        finally:
            forget()

    def _nanoseconds(self) -> int:
        if self._ended_at is None:
            return self._passed
        return self._passed + round((time.monotonic() - self._ended_at) * _BILLION)

    # Alarms.

    def call_later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call ``function``, which is quick, after so long; return what forgets it."""
        return self._set_alarm(seconds, function, rank=0)

    def _set_alarm(
        self, seconds: float, function: Callable[[], None], *, rank: int
    ) -> Callable[[], None]:
        with self._lock:
            due = self._passed + round(seconds * _BILLION)
            alarm = self._alarms.add(due, function, rank=rank)
            if self._ended_at is not None:
                self._ring_really(alarm, seconds)
            return alarm.forget

    def _ring_really(self, alarm: Alarm, seconds: float) -> None:
        if self._timer is None:
            self._timer = Timer(name="penstock-after-moving-time")
        self._timer.call_later(seconds, alarm.ring)

    # Who works and who waits.

    def at_end(self, function: Callable[[], None]) -> None:
        """Call ``function`` when the test is over."""
        self._at_end.append(function)

    def gate(self) -> Gate:
        """Return a gate: a thread that waits there does not work."""
        return Gate(self)

    def stint(self) -> Stint:
        """Return work that has to be done before time may pass."""
        with self._lock:
            self._begun += 1
        return Stint(self)

    def watch(self, loop: AbstractEventLoop, *, thread: int | None) -> None:
        """Note that a wait of ``loop``, which runs in ``thread``, began or is over."""
        with self._lock:
            self._loops[loop] = thread
            self._news += 1
        self.consider()

    def enter(self, stint: Stint) -> None:
        """Count the calling thread as at work, no longer the stint."""
        with self._lock:
            if not stint.is_over:
                self._begun -= 1
                stint.thread = threading.get_ident()
                self._working[stint.thread] += 1

    def leave(self, stint: Stint) -> None:
        """Count a stint no longer, wherever it was counted."""
        with self._lock:
            if stint.is_over:
                return
            stint.is_over = True
            if stint.thread is None:
                self._begun -= 1
            else:
                self._working[stint.thread] -= 1
                self._working = +self._working  # drops who has no stint left
        self.consider()

    def park(self, gate: Gate) -> None:
        """Let the calling thread rest until the gate is opened, if it is not open yet."""
        with self._lock:
            if not gate.is_open():
                gate.thread = threading.get_ident()
                self._parked.add(gate.thread)
        self.consider()

    def open(self, gate: Gate) -> None:
        """Open a gate, and count who waits there as at work."""
        with self._lock:
            self._unpark(gate)
            gate.event.set()

    def wake(self, gate: Gate) -> None:
        """Count the thread as at work that leaves a gate, open or not."""
        with self._lock:
            self._unpark(gate)

    def _unpark(self, gate: Gate) -> None:
        if gate.thread is not None:
            self._parked.discard(gate.thread)
            gate.thread = None
            self._news += 1

    # Jumping ahead.

    def consider(self) -> None:
        """Put the time forward if everybody waits for it, as often as that is so."""
        while due := self._reach_next():
            for alarm in due:
                alarm.ring()
            with self._lock:
                self._begun -= 1

    def _reach_next(self, answered: Round | None = None) -> list[Alarm]:
        """Return the alarms that are due now, having counted the calling thread as at work."""
        with self._lock:
            if self._ended_at is not None or not self._threads_rest():
                return []
            loops = [loop for loop in self._loops if self._takes_part(loop)]
            self._loops = {loop: self._loops[loop] for loop in self._loops if not loop.is_closed()}
            if loops and (answered is None or answered.news != self._news):
                self._ask(loops)
                return []
            self._round = None
            due = self._alarms.take_next()
            if due:
                self._passed = max(self._passed, due[0].due)
                self._begun += 1
                self._news += 1
            return due

    def _threads_rest(self) -> bool:
        if self._begun:
            return False
        in_loops = {thread for loop, thread in self._loops.items() if loop.is_running()}
        return all(each in self._parked or each in in_loops for each in self._working)

    def _takes_part(self, loop: AbstractEventLoop) -> bool:
        """Tell whether a loop runs, and its thread does not rest at a gate inside of it."""
        return loop.is_running() and self._loops[loop] not in self._parked

    # Asking loops, which alone know whether they have anything to do.

    def _ask(self, loops: list[AbstractEventLoop]) -> None:
        asked = self._round
        if asked is not None and all(self._takes_part(loop) for loop in asked.unanswered):
            return  # their answer will find that there are news
        asked = self._round = Round(self._news, set(loops))
        for loop in loops:
            with suppress(RuntimeError):  # it has been closed meanwhile
                loop.call_soon_threadsafe(self._answer, loop, asked)

    def _answer(self, loop: AbstractEventLoop, asked: Round) -> None:
        """Run in ``loop``: come back until it is idle, then answer."""
        if self._round is not asked:
            return
        if has_work(loop):
            loop.call_soon(self._answer, loop, asked)
            return
        world = awaited_world(loop, ours=MovingTime)
        if asked.has_to_wait(loop, world, patience=self._patience):
            loop.call_later(_SLICE, self._answer, loop, asked)
            return
        with self._lock:
            asked.unanswered.discard(loop)
            if asked.unanswered:
                return
            self._round = None
        due = self._reach_next(answered=asked)
        for alarm in due:
            alarm.ring()
        if due:
            with self._lock:
                self._begun -= 1
            self.consider()

    def end(self) -> None:
        """Let real time pass from now on, for those who still wait."""
        with self._lock:
            self._ended_at = time.monotonic()
            while due := self._alarms.take_next():
                for alarm in due:
                    self._ring_really(alarm, (alarm.due - self._passed) / _BILLION)
        while self._at_end:
            self._at_end.pop()()


@contextmanager
def moving_time(start: datetime | None = None, *, patience: float = 1.0) -> Iterator[MovingTime]:
    """Give what the block calls a time of its own, which begins at ``start``, else now.

    It stands still while any of it works; where all of it waits for time, in retry delays, for
    limits, time-outs or ticks, it jumps ahead to what is due first. Tasks that wait for the world
    in an event loop, for a socket, say, hold it for ``patience`` real seconds at most.
    """
    if start is not None and start.tzinfo is None:
        raise ValueError("moving_time needs a time zone: datetime(…, tzinfo=UTC), say.")
    moving = MovingTime((start or datetime.now(UTC)).astimezone(UTC), patience=patience)
    before = current_clock.get()
    current_clock.set(moving)
    try:
        with moving.stint():
            yield moving
    finally:
        current_clock.set(before)
        moving.end()
