"""The runs of this machine: one row each beside their journals, and a lock for each that lives."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from penstock.cli.errors import CommandError
from penstock.journal.sqlite import connect
from penstock.serializers import decode, encode

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, journal TEXT NOT NULL, flow TEXT NOT NULL, entrypoint TEXT NOT NULL,
    folder TEXT NOT NULL, state TEXT NOT NULL, progress TEXT NOT NULL, message TEXT NOT NULL,
    attempts INTEGER NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL
) WITHOUT ROWID
"""


_CHAINS = """
CREATE TABLE IF NOT EXISTS continuations (
    run TEXT PRIMARY KEY, next TEXT NOT NULL, first TEXT NOT NULL, number INTEGER NOT NULL,
    serializer TEXT NOT NULL, parameters BLOB NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """What is kept of a run beside its journal."""

    id: str
    journal: str
    """Whose journal it goes on with: its own, or that of the run that it was resumed from."""
    flow: str
    entrypoint: str
    folder: str
    """Where it was started, for entrypoints that are relative."""
    state: str
    progress: str
    message: str
    attempts: int
    created: str
    updated: str


class LocalRuns:
    """The table of runs under one Penstock home."""

    def __init__(self, home: Path) -> None:
        self._home = home
        try:
            self.connection = connect(home / "journal.db")
            self.connection.execute(_SCHEMA)
            self.connection.execute(_CHAINS)
        except (OSError, sqlite3.Error) as error:
            raise CommandError(
                f"Runs cannot be kept in {home}: {error}. Set PENSTOCK_HOME to a folder of yours."
            ) from error
        weakref.finalize(self, self.connection.close)

    def add(self, run_id: str, *, journal: str, flow: str, entrypoint: str, folder: str) -> RunRow:
        """Add a run that is about to begin; refuse a name that is taken."""
        now = _now()
        row = RunRow(
            id=run_id,
            journal=journal,
            flow=flow,
            entrypoint=entrypoint,
            folder=folder,
            state="Running",
            progress="",
            message="",
            attempts=0,
            created=now,
            updated=now,
        )
        values = [getattr(row, name) for name in RunRow.__slots__]
        try:
            self.connection.execute("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?)", values)
        except sqlite3.IntegrityError:
            raise CommandError(
                f"There is a run {run_id} already: choose another --run-id, or go on with it by "
                f"penstock run --resume {run_id}"
            ) from None
        return row

    def following(self, row: RunRow) -> str:
        """Return the name of the run that goes on from a run, or would."""
        known = self.continued_as(row.id)
        if known is not None:
            return known
        first, number = self._place_in_chain(row.id)
        return f"{first}-c{number + 1}"

    def continue_as(self, row: RunRow, *, name: str, parameters: Mapping[str, object]) -> None:
        """Note that a run goes on as another, and with what parameters."""
        first, number = self._place_in_chain(row.id)
        serializer, stored = encode(dict(parameters))
        self.connection.execute(
            "INSERT OR IGNORE INTO continuations VALUES (?,?,?,?,?,?)",
            (row.id, name, first, number + 1, serializer, stored),
        )

    def _place_in_chain(self, run_id: str) -> tuple[str, int]:
        """Return the first run of a run's chain, and the run's number in it."""
        found = self.connection.execute(
            "SELECT first, number FROM continuations WHERE next = ?", (run_id,)
        ).fetchone()
        return found or (run_id, 1)

    def continued_as(self, run_id: str) -> str | None:
        """Return the run that goes on from a run."""
        found = self.connection.execute(
            "SELECT next FROM continuations WHERE run = ?", (run_id,)
        ).fetchone()
        return str(found[0]) if found else None

    def last_of_chain(self, run_id: str) -> str:
        """Return the run that goes on from a run now; the run itself, if none does."""
        while (following := self.continued_as(run_id)) is not None:
            run_id = following
        return run_id

    def continued_with(self, run_id: str) -> Mapping[str, object]:
        """Return the parameters with which a run goes on from the one before."""
        found = self.connection.execute(
            "SELECT serializer, parameters FROM continuations WHERE next = ?", (run_id,)
        ).fetchone()
        return cast("dict[str, object]", decode(*found)) if found else {}

    def has(self, run_id: str) -> bool:
        """Tell whether there is a run of that name."""
        return bool(self._rows("WHERE id = ?", run_id))

    def find(self, run_id: str) -> RunRow:
        """Return a run, or say that there is none."""
        rows = self._rows("WHERE id = ?", run_id)
        if not rows:
            raise CommandError(
                f"There is no run {run_id} in {self._home}; penstock runs lists those there are."
            )
        return rows[0]

    def latest_of(self, journal: str) -> RunRow:
        """Return the last run that went on with a journal."""
        return self._rows("WHERE journal = ? ORDER BY created DESC, id DESC LIMIT 1", journal)[0]

    def all(self) -> list[RunRow]:
        """Return the runs, the newest first."""
        return self._rows("ORDER BY created DESC, id DESC")

    def begin_attempt(self, run_id: str) -> int:
        """Count an attempt of a run and return its number, larger than any of its journal."""
        self.note(run_id, state="Running", progress=self.find(run_id).progress, message="")
        self.connection.execute(
            "UPDATE runs SET attempts = 1 + (SELECT max(attempts) FROM runs AS others WHERE "
            "others.journal = runs.journal) WHERE id = ?",
            (run_id,),
        )
        return self.find(run_id).attempts

    def take_back_attempt(self, row: RunRow, *, message: str) -> None:
        """Have an attempt count as never begun that could not read the journal."""
        self.connection.execute("UPDATE runs SET attempts = ? WHERE id = ?", (row.attempts, row.id))
        self.note(row.id, state="Suspended", progress=row.progress, message=message)

    def note(self, run_id: str, *, state: str, progress: str, message: str) -> None:
        """Keep how the run stands; one that has completed stays so (G4)."""
        self.connection.execute(
            "UPDATE runs SET state = ?, progress = ?, message = ?, updated = ? WHERE id = ? AND "
            "state != 'Completed'",
            (state, progress, message, _now(), run_id),
        )

    def is_alive(self, row: RunRow) -> bool:
        """Tell whether a process holds the run."""
        return self._holder(row) is not None

    @contextmanager
    def held(self, row: RunRow, *, force: bool) -> Iterator[None]:
        """Keep other processes from running the same run; they are told our process id."""
        path = self._lock_of(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not force:
                    raise CommandError(
                        f"The run {row.id} is running, as process {self._holder(row) or '?'}. Wait "
                        "for it, or take it over with --force: that process then stops."
                    ) from None
            path.write_text(str(os.getpid()))
            yield

    def _holder(self, row: RunRow) -> str | None:
        try:
            with self._lock_of(row).open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return self._lock_of(row).read_text()
        return None

    def _lock_of(self, row: RunRow) -> Path:
        return self._home / "runs" / row.journal / "lock"

    def _rows(self, condition: str, *values: str) -> list[RunRow]:
        names = RunRow.__slots__
        cursor = self.connection.execute(f"SELECT * FROM runs {condition}", values)  # noqa: S608 - a literal of this class
        return [RunRow(**dict(zip(names, row, strict=True))) for row in cursor]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
