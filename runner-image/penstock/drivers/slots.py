"""How many bodies of a flow run at once. The rest queue; a body that waits gives its slot back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.drivers.job import Job


class Slots:
    """A bounded number of places to run in, and the queue before them.

    Who waits for another task holds no slot meanwhile: a pool of one thread can run a task that
    waits for a task that waits for a task.
    """

    def __init__(self, limit: int, *, start: Callable[[Job], None]) -> None:
        self._start = start
        self._free = limit
        self._closed = False
        self._lock = threading.Lock()
        self._queue: deque[Job] = deque()
        self._returning: deque[threading.Lock] = deque()

    def admit(self, job: Job) -> None:
        """Start ``job`` if a slot is free, else queue it."""
        with self._lock:
            if self._free <= 0:
                self._queue.append(job)
                return
            self._free -= 1
        self._start(job)

    def pass_on(self) -> Job | None:
        """Give up a slot: return the job that has it now, or ``None`` if no job does."""
        with self._lock:
            if self._returning:
                self._returning.popleft().release()
                return None
            if self._queue and self._free >= 0:
                return self._queue.popleft()
            self._free += 1
            return None

    def give_back(self) -> None:
        """Leave a slot for as long as a body waits."""
        job = self.pass_on()
        if job is not None:
            self._start(job)

    def take_back(self) -> None:
        """Wait for a slot before a body goes on; those who return precede the queue."""
        with self._lock:
            if self._free > 0 or self._closed:
                self._free -= 1
                return
            gate = threading.Lock()
            gate.acquire()
            self._returning.append(gate)
        gate.acquire()

    def close(self) -> None:
        """Let every body go on that waits for a slot: nobody will give one up any more."""
        with self._lock:
            self._closed = True
            while self._returning:
                self._returning.popleft().release()

    def overdraw(self) -> None:
        """Go on at once, in a slot too many if need be: an event loop must not be blocked."""
        with self._lock:
            self._free -= 1
