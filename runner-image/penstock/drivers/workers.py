"""The threads that run submitted sync tasks.

Daemons, and not a ``ThreadPoolExecutor``: its threads hold up the interpreter's exit until the
last body ends, and a body that was abandoned may never end.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from penstock.drivers.clocks import new_stint
from penstock.drivers.slots import Slots

if TYPE_CHECKING:
    from penstock.clock import Stint
    from penstock.drivers.job import Job


class Workers:
    """As many threads as bodies run or wait; each serves job after job."""

    def __init__(self, limit: int, *, name: str) -> None:
        self.slots = Slots(limit, start=self._start)
        self._name = name
        self._limit = limit
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._stints: set[Stint] = set()
        self._closed = False

    def _start(self, job: Job) -> None:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            _Worker(self, job, name=self._name).start()
        else:
            worker.resume(job)

    def stint_of(self, job: Job) -> Stint | None:
        """Return the work of a job's next attempt, where the clock has to know of it."""
        stint = new_stint(job.context)
        if stint is not None:
            with self._lock:
                self._stints.add(stint)
        return stint

    def forget(self, stint: Stint) -> None:
        """Count a stint no longer: it is over."""
        with self._lock:
            self._stints.discard(stint)

    def park(self, worker: _Worker) -> bool:
        """Keep an idle worker for the next job; tell it to leave when there are enough."""
        with self._lock:
            if self._closed or len(self._idle) >= self._limit:
                return False
            self._idle.append(worker)
            return True

    def close(self) -> None:
        """Let every idle worker leave, and every busy one when its job ends."""
        self.slots.close()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            stints, self._stints = self._stints, set()
        for worker in idle:
            worker.resume(None)
        for stint in stints:  # of bodies that nobody waits for
            stint.disown()


class _Worker(threading.Thread):
    def __init__(self, workers: Workers, job: Job, *, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._workers = workers
        self._job: Job | None = job
        self._stint = workers.stint_of(job)
        self._gate = threading.Lock()
        self._gate.acquire()

    def resume(self, job: Job | None) -> None:
        self._job = job
        self._stint = self._workers.stint_of(job) if job else None
        self._gate.release()

    def run(self) -> None:
        while (job := self._job) is not None:
            self._job = None
            if self._stint is None:
                job.advance()
                del job
                self._job = self._workers.slots.pass_on()
                if self._job is not None:
                    self._stint = self._workers.stint_of(self._job)
            else:
                self._advance_by_clock(job, self._stint)
                del job
            if self._job is None:
                if not self._workers.park(self):
                    return
                self._gate.acquire()

    def _advance_by_clock(self, job: Job, stint: Stint) -> None:
        """Advance; the next job's stint begins before this one ends, so that time cannot pass."""
        with stint:
            job.advance()
            self._workers.forget(stint)
            self._job = self._workers.slots.pass_on()
            self._stint = self._workers.stint_of(self._job) if self._job else None
