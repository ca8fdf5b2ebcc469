"""Who holds which slots, and who waits for them: a SQLite file that all processes share.

A process is known by its number and the time it started at, because numbers come back. What
a process holds or waits for is free once it is gone, however it went.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock import clock
from penstock.concurrency.limits import Limit
from penstock.concurrency.processes import Process, is_alive, this_process

_TABLES = """
CREATE TABLE IF NOT EXISTS holders (
  lease TEXT, name TEXT, slots INTEGER, pid INTEGER, started TEXT
);
CREATE TABLE IF NOT EXISTS rates (name TEXT PRIMARY KEY, filled REAL, at REAL);
DROP TABLE IF EXISTS waiting;
CREATE TABLE waiting (
  ticket INTEGER, name TEXT, pid INTEGER, started TEXT, came REAL, PRIMARY KEY (name, ticket)
);
CREATE TABLE looks (
  name TEXT, pid INTEGER, started TEXT, ticket INTEGER, at REAL, PRIMARY KEY (name, pid, started)
);
"""
_BUSY_SECONDS = 30
_NEVER = float("inf")
STALE_SECONDS = 2.0
"""Whoever waits and has not looked for so long is overtaken: its loop is blocked, or it sleeps."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The slots are taken; the lease gives them back."""

    lease: str
    next: frozenset[Process] = frozenset()
    """Where those wait who come next, and may find slots, too."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The slots are not free yet, or others came before."""

    ticket: int
    ahead: int
    """How many came before and wait for one of the same names, counted up to a handful."""
    seconds: float
    """When slots will have come back by decay; infinity if somebody has to give some back."""


_ROUNDING = 1e-6
"""Slots that are too few by less are enough: moments are as precise as a microsecond."""


class SlotStore:
    """The slots that are taken, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(
        self,
        limits: Sequence[Limit],
        *,
        slots: int,
        held: bool,
        ticket: int | None = None,
        overtakes: bool = False,
    ) -> Taken | Queued:
        """Take slots of every limit or of none: who came first is served first.

        Slots that are ``held`` are given back, others come back by decay. ``ticket`` is what an
        earlier try returned. Who ``overtakes`` waits for slots alone, not for those who came
        before: it holds slots already, and they may be waiting for these.
        """
        names = [limit.name for limit in limits]
        now = clock.now().timestamp()
        with self._transaction() as base:
            me = this_process()
            if ticket is not None:
                _note_look(base, names, me, ticket, now)
            wait = _seconds_until_free(base, limits, slots, now)
            ahead = _ahead(base, names, ticket, now)
            if (wait > 0 or ahead) and _bury_the_dead(base):
                wait = _seconds_until_free(base, limits, slots, now)
                ahead = _ahead(base, names, ticket, now)
            if wait > 0 or (ahead and not overtakes):
                number = ticket or _enqueue(base, names, me, now)
                return Queued(number, ahead, wait or _NEVER)
            lease = _taken_lease(base, limits, slots, now, me=me, held=held, ticket=ticket)
            return Taken(lease, _first_waiting(base, names) if ticket else frozenset())

    def leave(self, ticket: int, names: Iterable[str]) -> frozenset[Process]:
        """Wait no longer; return where those wait who come next."""
        with self._transaction() as base:
            base.execute("DELETE FROM waiting WHERE ticket = ?", (ticket,))
            return _first_waiting(base, names)

    def give_back(self, lease: str, names: Iterable[str]) -> frozenset[Process]:
        """Free what was taken under a lease; return where those wait who come next."""
        with self._transaction() as base:
            base.execute("DELETE FROM holders WHERE lease = ?", (lease,))
            return _first_waiting(base, names)

    def taken(self, limits: Mapping[str, Limit]) -> dict[str, float]:
        """Return how many slots of each limit are taken."""
        if not self._path.exists():
            return dict.fromkeys(limits, 0.0)
        with self._transaction() as base:
            _bury_the_dead(base)
            now = clock.now().timestamp()
            return {name: _taken(base, limit, now) for name, limit in limits.items()}

    def waiting(self, limits: Iterable[str]) -> dict[str, int]:
        """Return how many wait for each limit."""
        counts = dict.fromkeys(limits, 0)
        if self._path.exists():
            with self._transaction() as base:
                _bury_the_dead(base)
                found = base.execute("SELECT name, COUNT(*) FROM waiting GROUP BY name")
                counts.update({name: count for name, count in found if name in counts})
        return counts

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A connection for each transaction: none is shared by threads or taken along in a fork.
        opened = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        with closing(opened) as base:
            base.execute("PRAGMA synchronous = OFF")  # a power cut kills the holders, too
            base.execute("PRAGMA journal_mode = TRUNCATE")
            base.execute("BEGIN IMMEDIATE")
            try:
                if base.execute("PRAGMA user_version").fetchone() != (2,):
                    for table in _TABLES.split(";"):
                        base.execute(table)
                    base.execute("PRAGMA user_version = 2")
                yield base
            except BaseException:
                base.execute("ROLLBACK")
                raise
            base.execute("COMMIT")


def _taken_lease(
    base: sqlite3.Connection,
    limits: Sequence[Limit],
    slots: int,
    now: float,
    *,
    me: Process,
    held: bool,
    ticket: int | None,
) -> str:
    lease = uuid.uuid4().hex
    for limit in limits:
        if held:
            row = (lease, limit.name, slots, *me)
            base.execute("INSERT INTO holders VALUES (?, ?, ?, ?, ?)", row)
        else:
            filled = (limit.name, _filled(base, limit, now) + slots, now)
            base.execute("INSERT OR REPLACE INTO rates VALUES (?, ?, ?)", filled)
    base.execute("DELETE FROM waiting WHERE ticket = ?", (ticket,))
    return lease


def _enqueue(base: sqlite3.Connection, names: Sequence[str], me: Process, now: float) -> int:
    (last,) = base.execute("SELECT COALESCE(MAX(ticket), 0) FROM waiting").fetchone()
    for name in names:
        row = (last + 1, name, *me, now)
        base.execute("INSERT INTO waiting VALUES (?, ?, ?, ?, ?)", row)
    return int(last + 1)


def _note_look(
    base: sqlite3.Connection, names: Sequence[str], me: Process, ticket: int, now: float
) -> None:
    """Note that this process looks: one does, for all of it who wait behind."""
    for name in names:
        base.execute(
            "INSERT OR REPLACE INTO looks VALUES (?, ?, ?, ?, ?)", (name, *me, ticket, now)
        )


def _first_waiting(base: sqlite3.Connection, names: Iterable[str]) -> frozenset[Process]:
    first = "SELECT pid, started FROM waiting WHERE name = ? ORDER BY ticket LIMIT 1"
    found = [base.execute(first, (name,)).fetchone() for name in names]
    return frozenset(Process(*row) for row in found if row is not None)


def _ahead(base: sqlite3.Connection, names: Sequence[str], ticket: int | None, now: float) -> int:
    """Return how many came before and are still there, counted up to a handful."""
    fresh = now - STALE_SECONDS
    return max(
        len(base.execute(_BEFORE, (name, ticket or _NEVER, fresh, fresh)).fetchall())
        for name in names
    )


_BEFORE = """
SELECT ticket FROM waiting AS w WHERE name = ? AND ticket < ? AND (
  came > ? OR EXISTS (
    SELECT 1 FROM looks AS l
    WHERE l.name = w.name AND l.pid = w.pid AND l.started = w.started
      AND l.ticket <= w.ticket AND l.at > ?
  )
) ORDER BY ticket LIMIT 5
"""


def _seconds_until_free(
    base: sqlite3.Connection, limits: Iterable[Limit], slots: int, now: float
) -> float:
    return max(_seconds_until_one_is_free(base, limit, slots, now) for limit in limits)


def _seconds_until_one_is_free(
    base: sqlite3.Connection, limit: Limit, slots: int, now: float
) -> float:
    excess = _taken(base, limit, now) + slots - limit.slots
    if excess <= _ROUNDING:
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


def _bury_the_dead(base: sqlite3.Connection) -> bool:
    """Forget what processes that are gone held or waited for; tell whether there were any."""
    known = """
      SELECT pid, started FROM holders UNION SELECT pid, started FROM waiting
      UNION SELECT pid, started FROM looks
    """
    dead = [found for found in base.execute(known).fetchall() if not is_alive(Process(*found))]
    for process in dead:
        base.execute("DELETE FROM holders WHERE pid = ? AND started = ?", process)
        base.execute("DELETE FROM waiting WHERE pid = ? AND started = ?", process)
        base.execute("DELETE FROM looks WHERE pid = ? AND started = ?", process)
    return bool(dead)
