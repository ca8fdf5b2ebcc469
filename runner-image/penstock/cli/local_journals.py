"""Where a run of this machine has its journal: beside the others, or in a store that was named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.cli.errors import CommandError
from penstock.cli.local_runs import LocalRuns, RunRow
from penstock.errors import StoreUnusable
from penstock.journal.chain import Chain
from penstock.journal.sealed import SealedChain
from penstock.sealing import present_seal
from penstock.stores import open_store
from penstock.stores.chain import StoreChain

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stores (journal TEXT PRIMARY KEY, url TEXT NOT NULL) WITHOUT ROWID
"""
PATIENCE = 30.0
"""Seconds for which a store that does not answer is waited for."""


def refuse_unusable_seal() -> None:
    """Refuse a codec that cannot be used, before there is a run."""
    with _in_words():
        present_seal()


def refuse_unusable_store(url: str, *, run_id: str) -> None:
    """Refuse a store that cannot hold the journal of a new run, so that no run is left behind."""
    with _in_words():
        if StoreChain(open_store(url), folder=_folder(run_id), patience=PATIENCE).read():
            raise CommandError(
                f"The journal of a run {run_id} is in {url} already, perhaps another machine's: "
                "choose another --run-id."
            )


def keep_journal_in(url: str, *, run_id: str, runs: LocalRuns) -> None:
    """Remember where the journal of a run is, for as long as there is the run."""
    place = url if "://" in url else str(Path(url).absolute())
    runs.connection.execute(_SCHEMA)
    runs.connection.execute("REPLACE INTO stores VALUES (?, ?)", (run_id, place))


def keep_journal_beside(row: RunRow, *, run_id: str, runs: LocalRuns) -> None:
    """Keep the journal of a run where that of the run before is."""
    runs.connection.execute(_SCHEMA)
    runs.connection.execute(
        "INSERT OR IGNORE INTO stores SELECT ?, url FROM stores WHERE journal = ?",
        (run_id, row.journal),
    )


def local_chain(row: RunRow, *, runs: LocalRuns) -> Chain:
    """Return the chain of a run's journal."""
    chain = chain_as_stored(row, runs=runs)
    with _in_words():
        seal = present_seal()
        if not seal:
            return chain
        sealed = SealedChain(chain, seal=seal, run=row.journal)
        sealed.read()
        return sealed


def chain_as_stored(row: RunRow, *, runs: LocalRuns) -> Chain:
    """Return the chain of a run's journal, its records sealed as they are."""
    runs.connection.execute(_SCHEMA)
    found = runs.connection.execute(
        "SELECT url FROM stores WHERE journal = ?", (row.journal,)
    ).fetchone()
    if found is None:
        from penstock.journal.sqlite import SqliteChain

        return SqliteChain(runs.connection, run=row.journal)
    with _in_words():
        chain = StoreChain(open_store(found[0]), folder=_folder(row.journal), patience=PATIENCE)
        chain.read()
        return chain


def _folder(run_id: str) -> str:
    return f"journals/{run_id}"


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except StoreUnusable as error:
        raise CommandError(str(error)) from error
