"""Where cached results are kept: in the memory of the process, as the objects they are."""

from __future__ import annotations

import threading
from collections import OrderedDict

from penstock.engine.results import Entry

__all__ = ["MEMORY", "MemoryResults"]


class MemoryResults:
    """Keeps the results used last, as many as ``limit``."""

    waits = False

    def __init__(self, *, limit: int = 10_000) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: str) -> Entry | None:
        """Return what is kept under ``key``."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def keep(self, key: str, *, entry: Entry) -> None:
        """Keep ``entry``; drop what was not used for longest when there are too many."""
        with self._lock:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)


MEMORY = MemoryResults()
