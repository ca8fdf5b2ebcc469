"""Journals of local runs: one SQLite file, WAL, which a killed process leaves whole.

``synchronous=NORMAL`` survives kills, not the loss of power: then the last results may be missing,
and their tasks run again. ``PENSTOCK_JOURNAL_SYNC=full`` makes each commit wait for the disk.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from penstock.databases import open_shared
from penstock.errors import CorruptJournal
from penstock.journal.chain import ChainConflict

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    run TEXT NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, number)
) WITHOUT ROWID
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file of all journals, made if it is not there; usable from any thread."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = open_shared(path)
    full = os.environ.get("PENSTOCK_JOURNAL_SYNC", "").lower() == "full"
    connection.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
    connection.execute(_SCHEMA)
    return connection


class SqliteChain:
    """The chain of one run in the file."""

    is_remote = False

    def __init__(self, connection: sqlite3.Connection, *, run: str) -> None:
        self._connection = connection
        self._run = run

    def read(self) -> list[bytes]:
        """Return all records of the run."""
        rows = self._connection.execute(
            "SELECT number, body FROM records WHERE run = ? ORDER BY number", (self._run,)
        ).fetchall()
        for expected, (number, _) in enumerate(rows):
            if number != expected:
                raise CorruptJournal(
                    f"Record {expected} of the journal of {self._run} is missing: somebody has "
                    "deleted it. Start a new run."
                )
        return [body for _, body in rows]

    def put(self, number: int, record: bytes) -> None:
        """Store a record under a number that has none."""
        try:
            self._connection.execute(
                "INSERT INTO records VALUES (?, ?, ?)", (self._run, number, record)
            )
        except sqlite3.IntegrityError:
            found = self._connection.execute(
                "SELECT body FROM records WHERE run = ? AND number = ?", (self._run, number)
            ).fetchone()
            raise ChainConflict(number, found=found[0]) from None
