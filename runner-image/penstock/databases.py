"""SQLite files that processes share, with write-ahead logs: a killed process leaves them whole."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

BUSY_SECONDS = 30.0
"""How long a statement waits for the other processes before it fails."""
_NEXT_TRY = 0.005


def open_shared(path: Path) -> sqlite3.Connection:
    """Open a file, made if it is not there, in autocommit mode; usable from any thread."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=20,
    )
    _write_ahead(connection)
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn the log on. SQLite fails at once, whatever its timeout, where two do so together."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_NEXT_TRY)
