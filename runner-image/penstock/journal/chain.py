"""What a journal is kept in: one chain of create-only records, numbered without gaps.

Whoever writes puts the next number, and a number can be put once. So a second writer of the same
run meets a conflict, in every backend alike, and neither can write behind the other's back.
"""

from __future__ import annotations

import threading
from typing import Protocol

MAX_RECORD_BYTES = 512 * 1024
"""What one record may hold; larger batches are split. An object in the cluster holds 1 MiB."""


class ChainConflict(Exception):  # noqa: N818 - the writer decides whether it is an error
    """The number is taken: by another writer, or by a put of ours whose answer was lost."""

    def __init__(self, number: int, *, found: bytes) -> None:
        super().__init__(f"Record {number} exists already.")
        self.found = found
        """The record that is there."""


class Chain(Protocol):
    """The records of one run. One thread puts at a time; a put is stored when it returns."""

    @property
    def is_remote(self) -> bool:
        """Whether a put takes milliseconds, so that an event loop must not wait for it."""

    def read(self) -> list[bytes]:
        """Return all records, from number 0; raise ``CorruptJournal`` where one is missing."""

    def put(self, number: int, record: bytes) -> None:
        """Store a record under a number that has none; else raise ``ChainConflict``."""


class MemoryChain:
    """A chain that lives as long as the object: for tests, and to try crashes in one process."""

    is_remote = False

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._lock = threading.Lock()

    def read(self) -> list[bytes]:
        """Return all records."""
        with self._lock:
            return list(self._records)

    def put(self, number: int, record: bytes) -> None:
        """Store a record under the next number."""
        with self._lock:
            if number < len(self._records):
                raise ChainConflict(number, found=self._records[number])
            assert number == len(self._records), "a writer knows every number before its own"
            self._records.append(record)
