"""Stores of results by key: in the memory of the process, in a folder, or wherever a URL leads.

store = ResultStore(result_storage="s3://bucket/results")
store.read("orders/2026-11-20")
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from penstock.absent import refuse_absent
from penstock.clock import now
from penstock.engine.locking import LockManager
from penstock.engine.results import Entry
from penstock.errors import ResultNotFound
from penstock.filesystems import FileSystem, filesystem_for, results_of_pool
from penstock.home import home
from penstock.sealing import present_seal
from penstock.serializers import Serializer, decode, encode, serializer_for
from penstock.shelves.files import FileShelf
from penstock.shelves.stored import Shelf, Stored

__all__ = ["MEMORY", "MemoryResults", "ResultStore"]


class MemoryResults:
    """Keeps the results used last, as many as ``limit``, as the objects they are."""

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

    @contextmanager
    def emptied(self) -> Iterator[None]:
        """Begin with nothing, and bring back at the end what there was; for tests."""
        with self._lock:
            before, self._entries = self._entries, OrderedDict()
        try:
            yield
        finally:
            with self._lock:
                self._entries = before


MEMORY = MemoryResults()


class ResultStore:
    """Keeps results beyond the process; tasks and people use the same.

    ``result_storage`` is a path, a URL or a file system; by default the store of the WorkPool, or
    that of this machine under ``$PENSTOCK_HOME``. Equal keys are one result, whoever wrote it.
    ``lock_manager`` grants the locks of transactions that are to be ``SERIALIZABLE``.
    """

    waits = True

    def __init__(
        self,
        *,
        result_storage: FileSystem | Path | str | None = None,
        result_serializer: Serializer | str | None = None,
        cache_result_in_memory: bool = False,
        lock_manager: LockManager | None = None,
    ) -> None:
        self.lock_manager = lock_manager
        self.place: Path | FileSystem = (
            results_of_pool() or home()
            if result_storage is None
            else filesystem_for(result_storage)
        )
        self._shelf: Shelf = (
            _shelf_of_home((self.place / "results").absolute())
            if isinstance(self.place, Path)
            else FileShelf(self.place)
        )
        self._serializer = serializer_for(result_serializer) if result_serializer else None
        self._memory = MemoryResults(limit=1000) if cache_result_in_memory else None

    def read(self, key: str) -> Any:
        """Return the result under ``key``.

        Raises ``ResultNotFound`` if there is none or it has expired, and ``UnreadableValue`` if it
        can no longer be read.
        """
        entry = self.find(key)
        if entry is None or _has_expired(entry.expires_at):
            raise ResultNotFound(f"There is no result under the key {key!r}, or it has expired.")
        return entry.value

    def write(self, value: object, *, key: str, expiration: timedelta | None = None) -> None:
        """Keep ``value`` under ``key``; raise ``UnstorableValue`` if it cannot be serialised."""
        expires_at = None if expiration is None else now() + expiration
        self.keep(key, entry=Entry(value, expires_at))

    def exists(self, key: str) -> bool:
        """Tell whether there is a result under ``key`` that has not expired."""
        stored = self._shelf.read(key)
        return stored is not None and not _has_expired(stored.expires_at)

    def find(self, key: str) -> Entry | None:
        """Return what is kept under ``key``, expired or not."""
        entry = self._memory.find(key) if self._memory else None
        if entry is None and (stored := self._shelf.read(key)) is not None:
            entry = Entry(self._decoded(stored, key=key), stored.expires_at)
            if self._memory:
                self._memory.keep(key, entry=entry)
        return entry

    def keep(self, key: str, *, entry: Entry) -> None:
        """Keep ``entry`` in place of what was there; once this returns, everybody finds it."""
        if self._serializer is None:
            name, payload = encode(entry.value)
        else:
            name, payload = self._serializer.type, self._serializer.dumps(entry.value)
        name, payload = present_seal().close(name, payload, about=_about(key, entry.expires_at))
        stored = Stored(serializer=name, payload=payload, expires_at=entry.expires_at)
        self._shelf.write(key, stored=stored)
        if self._memory:
            self._memory.keep(key, entry=entry)

    def _decoded(self, stored: Stored, *, key: str) -> object:
        about = _about(key, stored.expires_at)
        name, payload = present_seal().open(stored.serializer, stored.payload, about=about)
        if self._serializer is not None and name == self._serializer.type:
            return self._serializer.loads(payload)
        return decode(name, payload)


def _about(key: str, expires_at: datetime | None) -> str:
    """Return what a signature is over besides the result, so that none takes another's place."""
    return f"{expires_at.isoformat() if expires_at else ''} {key}"


def _has_expired(expires_at: datetime | None) -> bool:
    return expires_at is not None and expires_at <= now()


@lru_cache(maxsize=8)
def _shelf_of_home(folder: Path) -> Shelf:
    """Return the one connection to a folder that the process's stores share."""
    from penstock.shelves.sqlite import SqliteShelf

    return SqliteShelf(folder)


refuse_absent(globals())
