"""Attempts of one run whose pool has a store, as processes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from tests.integration.runner.conftest import Attempt
from tests.integration.runner.faulty_server import FaultyServer
from tests.integration.runner.processes import RunnerProcess
from tests.integration.runner.test_durable import STEPS

LARGE = """
from penstock import flow, task

@task
def load():
    print("loading", flush=True)
    return ["x" * 1000] * 1000

@task(cache_key_fn=lambda *_: "days/monday")
def count(rows):
    return len(rows)

@flow
def daily():
    print("counted", count(load()), flush=True)
    while True:
        pass
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder that a volume would be mounted at."""
    return tmp_path / "store"


def steps(runner: RunnerProcess) -> list[str]:
    return [line for line in runner.lines if line.startswith("step ")]


def last(server: FaultyServer) -> dict[str, Any]:
    return server.reports[-1]


def test_a_killed_attempt_leaves_its_journal_in_the_store(
    server: FaultyServer, attempt: Attempt, store: Path
) -> None:
    first = attempt(STEPS, PENSTOCK_STORE=store.as_uri())
    first.wait_for_line("step 4")
    first.signal(signal.SIGKILL)
    first.exit_code()

    second = attempt(STEPS, PENSTOCK_STORE=store.as_uri())

    assert second.exit_code() == 0
    assert "total 28" in second.output
    assert steps(second)[0] in ("step 4", "step 5")
    assert last(server)["outcome"]["state"] == "Completed"
    (journal,) = (store / "journals" / "default").iterdir()
    assert journal.name.startswith("daily-")
    assert not any("/journalsegments" in request for request in server.requests)


def test_large_and_cached_results_go_to_the_store(attempt: Attempt, store: Path) -> None:
    first = attempt(LARGE, PENSTOCK_STORE=store.as_uri())
    first.wait_for_line("counted")
    first.signal(signal.SIGKILL)
    first.exit_code()

    second = attempt(LARGE, PENSTOCK_STORE=store.as_uri())
    second.wait_for_line("counted 1000")

    assert "loading" not in second.output
    assert (store / "results/days/monday.result").exists()
    (large,) = (store / "results/journals/daily").iterdir()
    assert large.stat().st_size > 1_000_000


def test_a_fenced_attempt_leaves_without_a_word(attempt: Attempt, store: Path) -> None:
    """It cannot ask the API server for its journal's sake: the store itself tells it."""
    first = attempt(STEPS, PENSTOCK_STORE=store.as_uri())
    first.wait_for_line("step 1")
    first.signal(signal.SIGSTOP)
    second = attempt(STEPS, PENSTOCK_STORE=store.as_uri())
    second.wait_for_line("total")
    first.signal(signal.SIGCONT)

    assert first.exit_code() == 70
    assert second.exit_code() == 0


def test_a_store_that_cannot_be_used_is_said_before_any_task_runs(
    server: FaultyServer, attempt: Attempt, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    runner = attempt(STEPS, PENSTOCK_STORE=(tmp_path / "file").as_uri())

    assert runner.exit_code() == 0
    assert steps(runner) == []
    suspension = last(server)["suspension"]
    assert (suspension["kind"], suspension["reason"]) == ("Person", "StoreUnusable")
    assert "cannot be kept in" in suspension["message"]
    assert "Mount a volume that the process may write" in suspension["message"]


def test_an_image_without_s3fs_is_told_what_to_install(
    server: FaultyServer, attempt: Attempt, tmp_path: Path
) -> None:
    """A finder that denies s3fs stands in for such an image."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 's3fs' else find(name, *more)\n"
    )
    path = ":".join(filter(None, (str(tmp_path), __import__("os").environ.get("PYTHONPATH"))))

    runner = attempt(STEPS, PENSTOCK_STORE="s3://bucket/runs", PYTHONPATH=path)

    assert runner.exit_code() == 0
    assert steps(runner) == []
    assert last(server)["suspension"]["message"] == (
        "s3://bucket/runs needs s3fs, which is not installed: pip install 'penstock[s3]'."
    )


SEALED = f"""
import zlib

class codec:
    encode = staticmethod(zlib.compress)
    decode = staticmethod(zlib.decompress)
{STEPS}
"""


def test_a_sealed_journal_is_read_with_its_codec_and_key_and_refused_without(
    server: FaultyServer, attempt: Attempt, store: Path
) -> None:
    """Refused before any task runs, and nothing is lost: with the key the run goes on."""
    place = {"PENSTOCK_STORE": store.as_uri(), "PENSTOCK_CODEC": "flow:codec"}
    first = attempt(SEALED, **place, PENSTOCK_SIGNING_KEY="ours")
    first.wait_for_line("step 4")
    first.signal(signal.SIGKILL)
    first.exit_code()

    without = attempt(SEALED, **place, PENSTOCK_SIGNING_KEY="another's")
    assert without.exit_code() == 0
    refused = last(server)["suspension"]
    again = attempt(SEALED, **place, PENSTOCK_SIGNING_KEY="ours")

    assert again.exit_code() == 0
    assert "total 28" in again.output
    assert steps(without) == []
    assert refused["reason"] == "StoreUnusable"
    assert "do not bear the signature of this store's key" in refused["message"]
    records = [each.read_bytes() for each in store.rglob("records/*")]
    assert not any(b"step" in each for each in records)


def test_without_pickles_a_run_goes_on_from_what_json_gives_back(
    attempt: Attempt, store: Path
) -> None:
    code = """
    import time
    from datetime import date
    from penstock import flow, task

    @task
    def today():
        print("reading the calendar", flush=True)
        return date(2026, 11, 21)

    @flow
    def daily():
        print("on", today(), flush=True)
        while True:
            time.sleep(1)
    """
    place = {"PENSTOCK_STORE": store.as_uri(), "PENSTOCK_ALLOW_PICKLE": "false"}
    first = attempt(code, **place)
    first.wait_for_line("on")
    first.signal(signal.SIGKILL)
    first.exit_code()

    second = attempt(code, **place)
    second.wait_for_line("on 2026-11-21")

    assert "reading" not in second.output
    assert not any(b"pickle" in each.read_bytes() for each in store.rglob("records/*"))
