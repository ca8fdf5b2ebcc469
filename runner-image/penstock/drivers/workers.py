"""The threads that run submitted sync tasks.

Daemons, and not a ``ThreadPoolExecutor``: its threads hold up the interpreter's exit until the
last body ends, and a body that was abandoned may never end.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from penstock.drivers.slots import Slots

if TYPE_CHECKING:
    from penstock.drivers.job import Job


class Workers:
    """As many threads as bodies run or wait; each serves job after job."""

    def __init__(self, limit: int, *, name: str) -> None:
        self.slots = Slots(limit, start=self._start)
        self._name = name
        self._limit = limit
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._closed = False

    def _start(self, job: Job) -> None:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            _Worker(self, job, name=self._name).start()
        else:
            worker.resume(job)

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
        for worker in idle:
            worker.resume(None)


class _Worker(threading.Thread):
    def __init__(self, workers: Workers, job: Job, *, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._workers = workers
        self._job: Job | None = job
        self._gate = threading.Lock()
        self._gate.acquire()

    def resume(self, job: Job | None) -> None:
        self._job = job
        self._gate.release()

    def run(self) -> None:
        while (job := self._job) is not None:
            self._job = None
            job.advance()
            del job
            self._job = self._workers.slots.pass_on()
            if self._job is None:
                if not self._workers.park(self):
                    return
                self._gate.acquire()
