"""Worker processes: started when first needed, kept warm, replaced when one dies.

Not ``concurrent.futures``: there, one process that dies breaks the pool and fails whatever it ran,
a body that runs out of time cannot be stopped, and a spawned worker runs the author's script again
unless it is guarded by ``if __name__ == "__main__"``. Ours start from nothing.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from contextlib import suppress

from penstock.drivers.channel import BEAT, Channel
from penstock.drivers.clocks import Deadline
from penstock.drivers.places import Listener
from penstock.errors import WorkerDied

_BOOT = (
    "import sys; sys.path[:] = {path!r}; "
    "from penstock.drivers.process_worker import serve; serve({fd})"
)


class _Worker:
    """One process, at the other end of a socket."""

    def __init__(self, greeting: bytes) -> None:
        ours, theirs = socket.socketpair()
        fd = theirs.fileno()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT.format(path=sys.path, fd=fd)],
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
            )
        self._channel = Channel(ours)
        try:
            self._channel.send(greeting)
            self._trouble = self._channel.receive()
        except (EOFError, ConnectionError) as error:
            self._channel.close()
            raise WorkerDied(_obituary(self._process.wait())) from error

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def exchange(self, parcel: bytes, *, listener: Listener) -> bytes:
        if self._trouble:  # the initializer's
            return self._trouble
        try:
            self._channel.send(parcel)
            listener.begin()
            while True:
                left = listener.left()
                message = self._channel.receive(timeout=None if left is None else max(left, 0.001))
                if not message.startswith(BEAT):
                    return message
                listener.beat(message.removeprefix(BEAT))
        except (EOFError, ConnectionError) as error:
            raise WorkerDied(_obituary(self._process.wait())) from error

    def kill(self) -> None:
        """End the process now; an exchange in another thread ends by ``WorkerDied``."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        self._channel.close()


def _obituary(code: int) -> str:
    how = f"exit code {code}"
    if code < 0:
        with suppress(ValueError):
            how = f"exit code {code}, {signal.Signals(-code).name}"
    hint = " (out of memory?)" if code == -signal.SIGKILL else ""
    return f"The worker process died with {how}{hint}; the pool goes on without it."


class ProcessPool:
    """At most so many worker processes, shared by every flow run of one task runner."""

    def __init__(self, limit: int, *, greeting: bytes) -> None:
        self._greeting = greeting
        self._free = threading.Semaphore(limit)
        self._idle: list[_Worker] = []
        self.owner = os.getpid()
        """A fork has no use for its parent's workers."""
        self._finalizer = weakref.finalize(self, _close_all, self._idle)

    def take(self) -> _Worker:
        """Return a worker that is alive, once there is one to be had."""
        self._free.acquire()
        try:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive():
                    return worker
                worker.close()
            return _Worker(self._greeting)
        except BaseException:
            self._free.release()
            raise

    def give_back(self, worker: _Worker, *, usable: bool) -> None:
        """Keep the worker for the next body, or end it."""
        if usable and self._finalizer.alive:
            self._idle.append(worker)
        else:
            worker.close()
        self._free.release()

    def close(self) -> None:
        """End the idle workers now, and each busy one when its body ends."""
        self._finalizer()


def _close_all(idle: list[_Worker]) -> None:
    while idle:
        idle.pop().close()


class _Bounded:
    """Hears no heartbeats, and lets a body run for so many seconds."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    def begin(self) -> None:
        self._end = None if self._seconds is None else Deadline(self._seconds)

    def beat(self, payload: bytes) -> None:
        """Take no note."""

    def left(self) -> float | None:
        return None if self._end is None else self._end.left()


class ProcessPlace:
    """One flow run's use of the pool."""

    shares_modules = True

    def __init__(self, pool: ProcessPool) -> None:
        self._pool = pool
        self._busy: set[_Worker] = set()

    def run(self, parcel: bytes, *, timeout: float | None) -> bytes:
        """Have a worker run the parcel; a time-out kills it."""
        return self.run_heard(parcel, listener=_Bounded(timeout))

    def run_heard(self, parcel: bytes, *, listener: Listener) -> bytes:
        """Have a worker run the parcel, and hear its heartbeats; the end of its time kills it."""
        worker = self._pool.take()
        self._busy.add(worker)
        usable = False
        try:
            answer = worker.exchange(parcel, listener=listener)
            usable = True
            return answer
        finally:
            self._busy.discard(worker)
            self._pool.give_back(worker, usable=usable)

    def close(self) -> None:
        """Kill the processes that still run a body of this flow run."""
        for worker in list(self._busy):
            worker.kill()
