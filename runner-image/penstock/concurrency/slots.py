"""Who holds which slots: a SQLite file that all processes of the machine share.

A holder is known by its process: its number, and the time it started at, because numbers come
back. The slots of a process that is gone are free, however it went.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from penstock.concurrency.limits import Limit

_TABLES = """
CREATE TABLE IF NOT EXISTS holders (
  lease TEXT, name TEXT, slots INTEGER, pid INTEGER, started TEXT
);
CREATE TABLE IF NOT EXISTS rates (name TEXT PRIMARY KEY, filled REAL, at REAL);
"""
_BUSY_SECONDS = 30
_NEVER = float("inf")


class SlotStore:
    """The slots that are taken, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, limits: Iterable[Limit], *, slots: int, held: bool) -> str | float:
        """Take slots of every limit or of none.

        Returns the lease by which slots that are ``held`` are given back, or the seconds after
        which slots will have decayed; infinity if somebody has to give slots back.
        """
        limits, now = tuple(limits), time.time()
        with self._transaction() as base:
            _bury_the_dead(base)
            wait = max(_seconds_until_free(base, limit, slots, now) for limit in limits)
            if wait > 0:
                return wait
            lease = uuid.uuid4().hex
            for limit in limits:
                if held:
                    _hold(base, limit, slots, lease)
                else:
                    _fill(base, limit, slots, now)
            return lease

    def give_back(self, lease: str) -> None:
        """Free what was taken under a lease."""
        with self._transaction() as base:
            base.execute("DELETE FROM holders WHERE lease = ?", (lease,))

    def taken(self, limits: Mapping[str, Limit]) -> dict[str, float]:
        """Return how many slots of each limit are taken."""
        if not self._path.exists():
            return dict.fromkeys(limits, 0.0)
        with self._transaction() as base:
            _bury_the_dead(base)
            now = time.time()
            return {name: _taken(base, limit, now) for name, limit in limits.items()}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A connection for each transaction: none is shared by threads or taken along in a fork.
        opened = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        with closing(opened) as base:
            base.execute("PRAGMA synchronous = OFF")  # a power cut kills the holders, too
            base.executescript(_TABLES)
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
            except BaseException:
                base.execute("ROLLBACK")
                raise
            base.execute("COMMIT")


def _seconds_until_free(base: sqlite3.Connection, limit: Limit, slots: int, now: float) -> float:
    excess = _taken(base, limit, now) + slots - limit.slots
    if excess <= 1e-9:
        return 0.0
    return excess / limit.decay if limit.decay and excess <= _filled(base, limit, now) else _NEVER


def _taken(base: sqlite3.Connection, limit: Limit, now: float) -> float:
    (held,) = base.execute(
        "SELECT COALESCE(SUM(slots), 0) FROM holders WHERE name = ?", (limit.name,)
    ).fetchone()
    return float(held) + _filled(base, limit, now)


def _filled(base: sqlite3.Connection, limit: Limit, now: float) -> float:
    found = base.execute("SELECT filled, at FROM rates WHERE name = ?", (limit.name,)).fetchone()
    if found is None or not limit.decay:
        return 0.0
    filled, at = found
    return max(0.0, float(filled - limit.decay * max(0.0, now - at)))


def _hold(base: sqlite3.Connection, limit: Limit, slots: int, lease: str) -> None:
    pid = os.getpid()
    row = (lease, limit.name, slots, pid, _started(pid))
    base.execute("INSERT INTO holders VALUES (?, ?, ?, ?, ?)", row)


def _fill(base: sqlite3.Connection, limit: Limit, slots: int, now: float) -> None:
    row = (limit.name, _filled(base, limit, now) + slots, now)
    base.execute("INSERT OR REPLACE INTO rates VALUES (?, ?, ?)", row)


def _bury_the_dead(base: sqlite3.Connection) -> None:
    holders = base.execute("SELECT DISTINCT pid, started FROM holders").fetchall()
    for pid, started in holders:
        if _started(pid) != started:
            base.execute("DELETE FROM holders WHERE pid = ? AND started = ?", (pid, started))


def _started(pid: int) -> str:
    """Return what tells this process from another of its number; nothing if there is none."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self/stat").exists() else _alive(pid)
    return "" if after_name[0] in "ZX" else after_name[19]


def _alive(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"
