"""Group commit: many threads wait for one write, and none of them is a writer by profession.

Whoever waits while nobody writes becomes the writer of all that has gathered, its own included.
Entries that come meanwhile gather for the next write. Of those whose batch was just stored one is
the first to come back, and would write its next entry alone while the others are on their way:
where a write takes long, it waits a moment for as many as came the last time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

Write = Callable[[list[str]], None]


class Batch:
    """Lines that are stored together, and what came of it."""

    __slots__ = ("done", "error", "lines")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done = False
        self.error: BaseException | None = None


class Commits:
    """Gathers lines into batches and stores them one batch after another."""

    def __init__(self, write: Write, *, window: float = 0.0) -> None:
        self._write = write
        self._window = window
        lock = threading.Lock()
        self._moved = threading.Condition(lock)
        self._gathered = threading.Condition(lock)
        self._expected = 1
        self._open = Batch()
        self._writing = False

    def add(self, line: str) -> Batch:
        """Add a line to the batch that is stored next; ``await_stored`` sees it stored."""
        with self._moved:
            self._open.lines.append(line)
            if len(self._open.lines) == self._expected:
                self._gathered.notify()
            return self._open

    def await_stored(self, batch: Batch) -> None:
        """Return once ``batch`` is stored; raise what kept it from being stored."""
        while self._must_write(batch):
            self._store(self._begin())
        if batch.error is not None:
            raise batch.error

    def _must_write(self, batch: Batch) -> bool:
        """Wait until the batch is stored, or nobody writes."""
        with self._moved:
            while self._writing and not batch.done:
                self._moved.wait()
            if batch.done:
                return False
            self._writing = True
            return True

    def _begin(self) -> Batch:
        with self._moved:
            if self._window:
                self._gathered.wait_for(self._are_all_here, timeout=self._window)
            batch, self._open = self._open, Batch()
            self._expected = len(batch.lines)
            return batch

    def _are_all_here(self) -> bool:
        return len(self._open.lines) >= self._expected

    def _store(self, batch: Batch) -> None:
        try:
            self._write(batch.lines)
        except BaseException as error:
            batch.error = error
        with self._moved:
            batch.done = True
            self._writing = False
            self._moved.notify_all()
