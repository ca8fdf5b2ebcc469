"""Journals that earlier versions have written are resumed, and replayed, by this one."""

import json
import shutil
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.fixtures.journals import runs

from penstock.cli.journals import records_of
from penstock.journal.chain import Chain, MemoryChain
from penstock.journal.sqlite import SqliteChain, connect
from penstock.replaying import replay_records

JOURNALS = Path(runs.__file__).parent
VERSIONS = sorted(path.parent.name for path in JOURNALS.glob("*/segments.json"))
RUN_AGAIN = {"unkept", "last"}
"""What is not kept, and what had not ended."""


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> Path:
    return JOURNALS / str(request.param)


def reference_of(version: Path) -> ModuleType:
    return import_module(f"tests.fixtures.journals.{version.name}.reference")


def resumed(version: Path, chain: Chain) -> tuple[Any, set[str]]:
    """Take the run up again; return its result, and what ran."""
    reference = reference_of(version)
    outcome = runs.attempt(reference, chain, number=2, cut=False)
    assert outcome.state.is_completed(), outcome.message
    return outcome.result, set(reference.RAN)


def test_a_journal_in_sqlite_is_resumed(version: Path, tmp_path: Path) -> None:
    shutil.copy(version / "journal.db", tmp_path)
    connection = connect(tmp_path / "journal.db")
    result, ran = resumed(version, SqliteChain(connection, run="reference"))
    connection.close()

    assert result == json.loads((version / "result.json").read_text())
    assert ran == RUN_AGAIN


def test_a_journal_of_the_cluster_is_resumed(version: Path) -> None:
    chain = MemoryChain()
    for number, record in enumerate(records_of(str(version / "segments.json"))):
        chain.put(number, record)
    result, ran = resumed(version, chain)

    assert result == json.loads((version / "result.json").read_text())
    assert ran == RUN_AGAIN


def test_a_journal_is_replayed(version: Path) -> None:
    reference = reference_of(version)
    reference.RAN.clear()

    replayed = replay_records(reference.reference, records_of(str(version / "segments.json")))

    assert replayed.problems == ()
    assert {"charged", "gathered", "load"} <= replayed.found.keys()
    assert not reference.RAN
