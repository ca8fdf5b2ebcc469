"""Files of SQLite that several open at once."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

from penstock.databases import open_shared


def test_whoever_opens_a_file_waits_for_one_who_writes_to_it(tmp_path: Path) -> None:
    """SQLite itself gives up at once: it does not wait while it turns the log on."""
    path = tmp_path / "index.db"
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("CREATE TABLE seen (number INTEGER)")
    writer.execute("BEGIN IMMEDIATE")
    Timer(0.05, writer.rollback).start()

    with ThreadPoolExecutor(max_workers=4) as threads:
        opened = list(threads.map(open_shared, [path] * 4))

    assert [each.execute("PRAGMA journal_mode").fetchone() for each in opened] == [("wal",)] * 4
