"""The chains that live in this process or in a file of it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.unit.journal.conformance import CONFORMANCE, OpenChain

from penstock.errors import CorruptJournal
from penstock.journal.chain import Chain, MemoryChain
from penstock.journal.sqlite import SqliteChain, connect

Demand = Callable[[OpenChain], None]
Connect = Callable[[], sqlite3.Connection]


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[Connect]:
    """Open the file of all journals, as often as wanted."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(connect(tmp_path / "journal.db")))


@pytest.mark.parametrize("demand", CONFORMANCE, ids=lambda demand: demand.__name__)
def test_memory(demand: Demand) -> None:
    """Two writers share the object."""
    chain = MemoryChain()

    demand(lambda: chain)


@pytest.mark.parametrize("demand", CONFORMANCE, ids=lambda demand: demand.__name__)
def test_sqlite(demand: Demand, journals: Connect) -> None:
    """Two writers have a connection each, as two processes do."""

    def open_chain() -> Chain:
        return SqliteChain(journals(), run="daily-1")

    demand(open_chain)


def test_runs_in_one_file_do_not_mix(journals: Connect) -> None:
    connection = journals()
    SqliteChain(connection, run="daily-1").put(0, b"one")

    other = SqliteChain(connection, run="daily-2")

    assert other.read() == []


def test_a_record_that_is_missing_is_no_end_of_the_journal(journals: Connect) -> None:
    connection = journals()
    chain = SqliteChain(connection, run="daily-1")
    for number in range(3):
        chain.put(number, b"record")
    connection.execute("DELETE FROM records WHERE number = 1")

    with pytest.raises(CorruptJournal, match="Record 1 of the journal of daily-1 is missing"):
        chain.read()
