"""Local runs that go on as new ones: names, journals, signals, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOP = """
import os
from penstock import continue_as_new, flow, task, wait_for_signal

@task
def step(cursor):
    print("step", cursor, flush=True)

@flow
def loop(cursor: int = 0, last: int = 3) -> int:
    step(cursor)
    if cursor == int(os.environ.get("DIE_AT", "-1")):
        os._exit(9)
    if cursor < last:
        continue_as_new({"cursor": cursor + 1})
    return cursor

@flow
def told(cursor: int = 0) -> str:
    if str(cursor) == os.environ.get("DIE_AT"):
        os._exit(9)
    if cursor < 2:
        continue_as_new({"cursor": cursor + 1})
    return wait_for_signal("stop")
"""


COMMAND = [sys.executable, "-m", "penstock.cli.main"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "loop.py").write_text(LOOP)
    return tmp_path


def penstock(place: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PENSTOCK_HOME": str(place / "home"), **env}
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_run_goes_on_as_linked_runs_in_the_same_process(place: Path) -> None:
    done = penstock(place, "run", "loop.py:loop", "--run-id", "a", "-o", "json")

    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("run ")] == [
        "run a",
        "run a-c2",
        "run a-c3",
        "run a-c4",
    ]
    assert json.loads(done.stdout.splitlines()[-1]) == 3


def test_each_run_of_the_chain_has_a_journal_of_its_own(place: Path) -> None:
    penstock(place, "run", "loop.py:loop", "--run-id", "a")

    listed = json.loads(penstock(place, "runs", "-o", "json").stdout)

    assert {row["id"]: (row["journal"], row["state"]) for row in listed} == {
        name: (name, "Completed") for name in ("a", "a-c2", "a-c3", "a-c4")
    }


def test_a_chain_that_was_killed_goes_on_by_any_of_its_names(place: Path) -> None:
    killed = penstock(place, "run", "loop.py:loop", "--run-id", "a", "-p", "last=4", DIE_AT="2")

    resumed = penstock(place, "run", "--resume", "a", "-o", "json")

    assert killed.returncode == 9
    assert resumed.returncode == 0, resumed.stderr
    assert "run a-c3" in resumed.stderr
    assert [line for line in resumed.stdout.splitlines() if "step" in line] == ["step 3", "step 4"]
    assert json.loads(resumed.stdout.splitlines()[-1]) == 4


def test_a_signal_to_the_first_run_reaches_the_last(place: Path) -> None:
    waiting = subprocess.Popen(
        [*COMMAND, "run", "loop.py:told", "--run-id", "b", "-o", "json"],
        cwd=place,
        env={**os.environ, "PENSTOCK_HOME": str(place / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    while waiting.stderr.readline() != "run b-c3\n":
        pass
    penstock(place, "signal", "--here", "b", "stop", "--payload", '"enough"')
    out, _ = waiting.communicate(timeout=60)

    assert json.loads(out.splitlines()[-1]) == "enough"


def test_a_signal_that_came_early_goes_with_the_chain(place: Path) -> None:
    penstock(place, "run", "loop.py:told", "--run-id", "c", DIE_AT="0")
    penstock(place, "signal", "--here", "c", "stop", "--payload", "1")

    done = penstock(place, "run", "--resume", "c", "-o", "json")

    assert "run c-c3" in done.stderr, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == 1
