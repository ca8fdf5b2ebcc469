"""Storing behind the run's back: the run goes on, and its entries follow within a window.

What a window bounds is the work that is done again after a crash, and the memory that a slow store
costs: when it is full, the run waits.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from penstock.journal.commits import Batch, Commits

MAX_ENTRIES = 1000
MAX_CHARACTERS = 1024 * 1024
IDLE_SECONDS = 1.0
"""How long the thread waits for more before it ends."""


class Behind:
    """Stores lines in order, in a thread of its own that lives while there are any."""

    def __init__(
        self,
        commits: Commits,
        *,
        entries: int = MAX_ENTRIES,
        characters: int = MAX_CHARACTERS,
    ) -> None:
        self._commits = commits
        self._entries = entries
        self._characters = characters
        self._moved = threading.Condition()
        self._latest: Batch | None = None
        self._lines = 0
        self._size = 0
        self._works = False

    def is_full(self) -> bool:
        """Tell whether the next line has to wait."""
        return self._lines >= self._entries or self._size >= self._characters

    def add(self, lines: Sequence[str]) -> None:
        """Have lines stored soon; wait while the window is full."""
        with self._moved:
            self._moved.wait_for(lambda: not self.is_full())
            for line in lines:
                self._latest = self._commits.add(line)
                self._size += len(line)
            self._lines += len(lines)
            if self._works:
                self._moved.notify_all()
                return
            self._works = True
        threading.Thread(target=self._work, name="penstock-journal", daemon=True).start()

    def flush(self) -> None:
        """Return once all that was added is stored, or cannot be."""
        with self._moved:
            latest = self._latest
        if latest is not None:
            self._commits.await_stored(latest)

    def _work(self) -> None:
        while True:
            with self._moved:
                self._works = self._moved.wait_for(lambda: self._lines > 0, timeout=IDLE_SECONDS)
                if not self._works:
                    return
                batch, lines, size = self._latest, self._lines, self._size
            assert batch is not None, "there are lines"
            with suppress(BaseException):  # the journal tells whoever comes next
                self._commits.await_stored(batch)
            with self._moved:
                self._lines -= lines
                self._size -= size
                self._moved.notify_all()
