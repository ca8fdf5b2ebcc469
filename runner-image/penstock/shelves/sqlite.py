"""Results of one machine: an index in SQLite, small values in it, large ones as files beside it.

A file is written before the index names it and deleted after the index has let go of it: a kill in
between leaves a file too many, never an entry without one. Those are swept once a day.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from penstock.databases import open_shared
from penstock.errors import UnreadableValue
from penstock.filesystems import write_whole
from penstock.shelves.stored import Stored, checksum_of, verified

MAX_INLINE = 32 * 1024
"""Bytes up to which SQLite is faster than a file of its own."""
_DAY = 24 * 3600.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY,
    serializer TEXT NOT NULL,
    expires_at TEXT,
    sha256 TEXT NOT NULL,
    payload BLOB,
    file TEXT
);
CREATE INDEX IF NOT EXISTS expiring ON results (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS swept (at REAL NOT NULL);
"""


class SqliteShelf:
    """Results in a folder that the processes of one machine share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        """The process that opened the connection: a forked child opens its own."""

    def read(self, key: str) -> Stored | None:
        """Return what lies under ``key``; raise ``UnreadableValue`` where it is broken."""
        try:
            return self._read(key)
        except FileNotFoundError:  # replaced between our two looks
            pass
        try:
            return self._read(key)
        except FileNotFoundError as error:
            raise UnreadableValue(f"its file is gone ({error.filename}).") from error

    def _read(self, key: str) -> Stored | None:
        with self._lock:
            row = self._opened().execute(
                "SELECT serializer, expires_at, sha256, payload, file FROM results WHERE key = ?",
                (key,),
            )
            found = row.fetchone()
        if found is None:
            return None
        serializer, expires_at, checksum, payload, file = found
        if file is not None:
            payload = self._path_of(file).read_bytes()
        return Stored(
            serializer=serializer,
            payload=verified(payload, checksum=checksum),
            expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
        )

    def write(self, key: str, *, stored: Stored) -> None:
        """Put ``stored`` in place of what was there."""
        file = None
        if len(stored.payload) > MAX_INLINE:
            file = uuid4().hex
            write_whole(self._path_of(file), stored.payload)
        row = (
            key,
            stored.serializer,
            _in_text(stored.expires_at) if stored.expires_at else None,
            checksum_of(stored.payload),
            None if file else stored.payload,
            file,
        )
        with self._lock, self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            old = connection.execute("SELECT file FROM results WHERE key = ?", (key,)).fetchone()
            connection.execute("REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)", row)
        if old is not None and old[0] is not None:
            self._path_of(old[0]).unlink(missing_ok=True)

    def _path_of(self, file: str) -> Path:
        return self._folder / "values" / file[:2] / file

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None or self._owner != os.getpid():
            self._connection = self._open()
            self._owner = os.getpid()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = open_shared(self._folder / "index.db")
        weakref.finalize(self, connection.close)
        connection.execute("PRAGMA synchronous = NORMAL")  # survives kills, not power loss
        connection.executescript(_SCHEMA)
        self._sweep(connection)
        return connection

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Forget what has expired, and the files that no entry names, once a day."""
        now = time.time()
        last = connection.execute("SELECT max(at) FROM swept").fetchone()[0]
        if last is not None and now - last < _DAY:
            return
        connection.execute("DELETE FROM swept")
        connection.execute("INSERT INTO swept VALUES (?)", (now,))
        connection.execute("DELETE FROM results WHERE expires_at < ?", (_in_text(_utc(now)),))
        named = {file for (file,) in connection.execute("SELECT file FROM results")}
        for path in (self._folder / "values").glob("*/*"):
            with suppress(FileNotFoundError):
                if path.name not in named and now - path.stat().st_mtime > _DAY:
                    path.unlink()


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _in_text(when: datetime) -> str:
    """Return a time as text that sorts as the times do."""
    return when.astimezone(UTC).isoformat(timespec="microseconds")
