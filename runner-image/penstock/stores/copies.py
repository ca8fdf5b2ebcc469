"""Copies of records, some hundred in one file, made by a thread behind the writer's back."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

COPY_RECORDS = 400
COPY_BYTES = 1024 * 1024
"""A copy is made of so many records, or once they are so large."""
FEW = 16
"""What remains at the end of a run is not copied if it is no more than this."""

Copy = Callable[[int, list[bytes]], None]
log = logging.getLogger("penstock.journal")


class Copier:
    """Gathers records in the order of their numbers; called by one thread."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self._first = 0
        self._records: list[bytes] = []
        self._size = 0
        self._full: queue.SimpleQueue[tuple[int, list[bytes]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def add(self, number: int, record: bytes) -> None:
        """Tell of a record that is stored."""
        if number != self._first + len(self._records):
            self._records, self._size = [], 0
        if not self._records:
            self._first = number
        self._records.append(record)
        self._size += len(record)
        if len(self._records) >= COPY_RECORDS or self._size >= COPY_BYTES:
            self._send()

    def finish(self, *, within: float) -> bool:
        """Copy what remains; return whether all is done in time."""
        if len(self._records) > FEW:
            self._send()
        if self._thread is None:
            return True
        self._full.put(None)
        self._thread.join(within)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stop after what is being copied."""
        self._full.put(None)

    def _send(self) -> None:
        self._full.put((self._first, self._records))
        self._first += len(self._records)
        self._records, self._size = [], 0
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="penstock-journal-copier", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        while full := self._full.get():
            try:
                self._copy(*full)
            except Exception as error:  # the journal is whole, only slower to read
                log.warning("Records of the journal were not copied together: %r", error)
