"""`penstock prune` deletes old results, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.filesystems import LocalFileSystem
from penstock.journal.large import LargeResults
from penstock.results import ResultStore

Penstock = Callable[..., Any]
DAY = 24 * 3600


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A pool's store: results of either kind, journals, and what others have put there."""
    results = tmp_path / "results"
    LargeResults(LocalFileSystem(results), run="one").put_away('done ab {"name":"a"}', name="a")
    ResultStore(result_storage=results).write([1, 2], key="rows")
    records = tmp_path / "journals/team/one-abcd1234/records"
    records.mkdir(parents=True)
    for path in (records / "0000000", results / "notes.txt", results / "others.result"):
        path.write_text("not ours")
    return tmp_path


def files(store: Path) -> list[str]:
    return sorted(path.name[:9] for path in store.rglob("*") if path.is_file())


def age(store: Path, *, days: float) -> None:
    moment = time.time() - days * DAY
    for path in store.rglob("*"):
        os.utime(path, (moment, moment))


def test_old_results_go_and_all_else_stays(store: Path, penstock: Penstock) -> None:
    age(store, days=31)

    done = penstock("prune", str(store), "--older-than", "30")

    assert done.exit_code == 0
    assert "Deleted 2 results of" in done.output
    assert files(store) == ["0000000", "notes.txt", "others.re"]


def test_what_is_younger_stays(store: Path, penstock: Penstock) -> None:
    age(store, days=29)
    before = files(store)

    done = penstock("prune", str(store), "--older-than", "30")

    assert "Deleted 0 results" in done.output
    assert files(store) == before


def test_a_dry_run_only_tells(store: Path, penstock: Penstock) -> None:
    age(store, days=31)
    before = files(store)

    done = penstock("prune", store.as_uri(), "--older-than", "30", "--dry-run")

    assert "Would delete 2 results" in done.output
    assert files(store) == before


def test_a_url_of_any_store_will_do(penstock: Penstock) -> None:
    import fsspec

    bucket = fsspec.filesystem("memory")
    place = "memory://pruned"
    ResultStore(result_storage=place).write([1, 2], key="rows")
    bucket.pipe_file("/pruned/others.result", b"not ours")
    time.sleep(0.01)

    done = penstock("prune", place, "--older-than", "0")

    assert "Deleted 1 results" in done.output
    assert bucket.ls("/pruned", detail=False) == ["/pruned/others.result"]


@pytest.mark.parametrize(
    ("place", "says"),
    [("/nowhere", "There is no folder /nowhere"), ("nope://x", "no scheme that fsspec knows")],
)
def test_a_place_that_is_none_is_refused(penstock: Penstock, place: str, says: str) -> None:
    done = penstock("prune", place, "--older-than", "30")

    assert done.exit_code == 2
    assert says in " ".join(done.output.split())
