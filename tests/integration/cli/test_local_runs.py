"""Runs of this machine that survive their process: kill, resume, suspend, take over."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.integration.cli.test_run_local import start

FLOW = """
import time
from pathlib import Path
from penstock import flow, task

@task
def step(number: int) -> int:
    with Path("deeds.txt").open("a") as deeds:
        deeds.write(f"{number}\\n")
    time.sleep(0.1)
    return number

@flow
def slow(n: int = 8) -> int:
    total = sum(step(number) for number in range(n))
    if Path("broken").exists():
        raise RuntimeError("the bridge is closed")
    return total
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a flow, and a home of its own."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "slow.py").write_text(FLOW)
    return tmp_path / "work"


def deeds(folder: Path) -> Counter[str]:
    """Count what the tasks did."""
    path = folder / "deeds.txt"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def after(number: int, folder: Path) -> None:
    """Return once that many tasks have begun."""
    deadline = time.monotonic() + 30
    while deeds(folder).total() < number:
        assert time.monotonic() < deadline, "the flow does not come forward"
        time.sleep(0.01)


def begun(folder: Path, *, tasks: int = 8) -> subprocess.Popen[str]:
    """Start a run and return when it is in the midst of its tasks."""
    process = start("run", "slow.py:slow", "-p", f"n={tasks}", "--run-id", "slow-1", folder=folder)
    after(3, folder)
    return process


def finish(*arguments: str, folder: Path) -> tuple[int, str, str]:
    """Run a command to its end."""
    process = start(*arguments, folder=folder)
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


def listed(folder: Path) -> dict[str, str]:
    """Return the runs and their states."""
    _, stdout, _ = finish("runs", "-o", "json", folder=folder)
    return {row["id"]: row["state"] for row in json.loads(stdout)}


def test_a_killed_run_goes_on_without_doing_anything_again(folder: Path, tmp_path: Path) -> None:
    process = begun(folder)
    process.kill()
    process.communicate()
    interrupted = listed(folder)

    code, stdout, stderr = finish("run", "--resume", "slow-1", "-o", "json", folder=tmp_path)

    assert interrupted == {"slow-1": "Interrupted"}
    assert (code, stdout) == (0, "28\n"), stderr
    assert "8/8" in stderr
    assert deeds(folder).keys() == set("01234567")
    assert deeds(folder).total() <= 8 + 1  # the one that the kill met
    assert listed(folder) == {"slow-1": "Completed"}


def test_a_finished_run_gives_its_result_again(folder: Path) -> None:
    finish("run", "slow.py:slow", "-p", "n=2", "--run-id", "slow-1", folder=folder)

    code, stdout, stderr = finish("run", "--resume", "slow-1", "-o", "json", folder=folder)

    assert (code, stdout) == (0, "1\n")
    assert "Completed  2/2" in stderr
    assert deeds(folder).total() == 2
    assert listed(folder) == {"slow-1": "Completed"}


def test_a_failed_run_goes_on_as_a_linked_run_from_its_failure(folder: Path) -> None:
    (folder / "broken").touch()
    code, _, _ = finish("run", "slow.py:slow", "-p", "n=2", "--run-id", "slow-1", folder=folder)
    (folder / "broken").unlink()

    resumed, _, stderr = finish("run", "--resume", "slow-1", folder=folder)

    assert (code, resumed) == (1, 0)
    assert stderr.startswith("run slow-1.2\n")
    assert deeds(folder).total() == 2
    assert listed(folder) == {"slow-1.2": "Completed", "slow-1": "Failed"}


RERUN = """
from pathlib import Path
from penstock import flow, task

def note(what):
    with Path("deeds.txt").open("a") as deeds:
        deeds.write(f"{what}\\n")

@task
def load():
    note("load")
    return 1

@task
def store(rows):
    note("store")
    if Path("broken").exists():
        raise RuntimeError("no disk")
    return rows

@flow
def daily():
    return store(load())
"""


@pytest.mark.parametrize(
    ("start", "loads", "stores"),
    [("failure", 1, 2), ("start", 2, 2), ("load", 2, 2), ("store", 1, 2)],
)
def test_a_run_is_resumed_from_where_it_is_said(
    folder: Path, start: str, loads: int, stores: int
) -> None:
    (folder / "daily.py").write_text(RERUN)
    (folder / "broken").touch()
    finish("run", "daily.py:daily", "--run-id", "daily-1", folder=folder)
    (folder / "broken").unlink()

    code, stdout, stderr = finish(
        "run", "--resume", "daily-1", "--from", start, "-o", "json", folder=folder
    )

    assert (code, stdout) == (0, "1\n"), stderr
    assert deeds(folder) == {"load": loads, "store": stores}
    assert listed(folder) == {"daily-1": "Failed", "daily-1.2": "Completed"}


def test_a_completed_run_is_resumed_from_a_task_and_its_rerun_is_the_one_that_counts(
    folder: Path,
) -> None:
    (folder / "daily.py").write_text(RERUN)
    finish("run", "daily.py:daily", "--run-id", "daily-1", folder=folder)

    again, _, _ = finish("run", "--resume", "daily-1", "--from", "store", folder=folder)
    same, _, _ = finish("run", "--resume", "daily-1", folder=folder)

    assert (again, same) == (0, 0)
    assert deeds(folder) == {"load": 1, "store": 2}


def test_a_task_that_is_not_known_is_no_place_to_resume_from(folder: Path) -> None:
    (folder / "daily.py").write_text(RERUN)
    finish("run", "daily.py:daily", "--run-id", "daily-1", folder=folder)

    code, _, stderr = finish("run", "--resume", "daily-1", "--from", "shave", folder=folder)

    assert code == 2
    assert "nothing of a task named shave" in stderr
    assert listed(folder) == {"daily-1": "Completed"}


def test_a_result_that_cannot_be_read_suspends_the_run_until_that_is_mended(folder: Path) -> None:
    whole = """
from pathlib import Path
from penstock import flow, task

class Order(Exception):
    pass

@task
def load() -> Order:
    return Order("7")

@flow
def daily() -> None:
    order = load()
    if Path("closed").exists():
        raise SystemExit(1)
    print("loaded", order)
"""
    (folder / "daily.py").write_text(whole)
    (folder / "closed").touch()
    finish("run", "daily.py:daily", "--run-id", "daily-1", folder=folder)
    (folder / "closed").unlink()
    (folder / "daily.py").write_text(whole.replace("class Order", "Order = None\nclass Purchase"))

    suspended, _, stderr = finish("run", "--resume", "daily-1", folder=folder)
    states = listed(folder)
    (folder / "daily.py").write_text(whole)
    mended, stdout, _ = finish("run", "--resume", "daily-1", folder=folder)

    assert (suspended, states["daily-1.2"]) == (5, "Suspended")
    assert "What load(load) left in the journal cannot be read any more" in stderr
    assert (mended, stdout) == (0, "loaded 7\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_run_that_is_interrupted_is_suspended_and_says_how_to_go_on(
    folder: Path, number: int
) -> None:
    process = begun(folder)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=90)
    suspended = listed(folder)

    code, stdout, _ = finish("run", "--resume", "slow-1", "-o", "json", folder=folder)

    assert process.returncode == 5
    assert "Go on with: penstock run --resume slow-1" in stderr
    assert suspended == {"slow-1": "Suspended"}
    assert (code, stdout) == (0, "28\n")
    assert deeds(folder) == Counter("01234567")


def test_a_run_that_only_waits_may_end_its_process(folder: Path) -> None:
    (folder / "naps.py").write_text(
        "from penstock import flow, sleep\n\n@flow\ndef nap():\n    sleep(7200)\n"
    )

    code, _, stderr = finish(
        "run", "naps.py:nap", "--run-id", "nap-1", "--exit-on-wait", folder=folder
    )

    assert code == 5
    assert "nap-1 is suspended. It sleeps until 20" in stderr
    assert listed(folder) == {"nap-1": "Suspended"}


def test_a_run_that_is_running_is_not_run_twice_but_by_force(folder: Path) -> None:
    process = begun(folder, tasks=90)

    refused, _, why = finish("run", "--resume", "slow-1", folder=folder)
    taken, stdout, _ = finish("run", "--resume", "slow-1", "--force", "-o", "json", folder=folder)
    _, stderr = process.communicate(timeout=90)

    assert refused == 2
    assert f"The run slow-1 is running, as process {process.pid}." in why
    assert (taken, stdout) == (0, "4005\n")
    assert process.returncode == 3
    assert "Another process has taken slow-1 over." in stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("--resume", "nobody"), "There is no run nobody in", id="unknown run"),
        pytest.param((), "Say what to run: penstock run FILE:FLOW", id="nothing"),
        pytest.param(("daily", "--run-id", "x"), "are of runs here", id="id of a cluster's run"),
        pytest.param(("slow.py:slow", "--run-id", "../x"), "cannot name a run", id="a path"),
        pytest.param(("slow.py:slow", "--run-id", "a b"), "cannot name a run", id="two words"),
    ],
)
def test_what_cannot_be_run_is_said(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    code, _, stderr = finish("run", *arguments, folder=folder)

    assert code == 2
    assert words in stderr


def test_a_name_is_given_once(folder: Path) -> None:
    finish("run", "slow.py:slow", "-p", "n=1", "--run-id", "slow-1", folder=folder)

    code, _, stderr = finish("run", "slow.py:slow", "--run-id", "slow-1", folder=folder)

    assert code == 2
    assert "There is a run slow-1 already" in stderr


def test_a_run_whose_journal_is_in_a_store_goes_on_from_there(folder: Path) -> None:
    process = start(
        *("run", "slow.py:slow", "--run-id", "slow-1", "--journal", "store"), folder=folder
    )
    after(3, folder)
    process.kill()
    process.communicate()

    code, stdout, _ = finish("run", "--resume", "slow-1", "-o", "json", folder=folder)

    assert code == 0
    assert json.loads(stdout) == sum(range(8))
    assert max(deeds(folder).values()) <= 2
    assert sum(deeds(folder).values()) <= 9
    assert (folder / "store/journals/slow-1/records/0000001").exists()


def test_a_store_that_holds_no_journal_leaves_no_run_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_JOURNAL", "gs://bucket")

    code, _, stderr = finish("run", "slow.py:slow", folder=folder)

    assert code == 2
    assert "gs://bucket cannot hold journals" in stderr
    assert listed(folder) == {}


def test_a_run_that_is_resumed_without_its_codec_says_so_and_goes_on_with_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was begun anew for is not lost with the attempt that could not read."""
    codec = "import zlib\n\nclass codec:\n    encode = staticmethod(zlib.compress)\n"
    (folder / "codecs_of_mine.py").write_text(
        f"{codec}    decode = staticmethod(zlib.decompress)\n"
    )
    (folder / "broken").touch()
    monkeypatch.setenv("PENSTOCK_CODEC", "codecs_of_mine:codec")
    finish("run", "slow.py:slow", "-p", "n=2", "--run-id", "slow-1", folder=folder)
    (folder / "broken").unlink()
    monkeypatch.delenv("PENSTOCK_CODEC")

    without, _, stderr = finish("run", "--resume", "slow-1", folder=folder)
    monkeypatch.setenv("PENSTOCK_CODEC", "codecs_of_mine:codec")
    code, stdout, _ = finish("run", "--resume", "slow-1", "-o", "json", folder=folder)

    assert without == 2
    assert "Set PENSTOCK_CODEC=codecs_of_mine:codec." in stderr
    assert (code, json.loads(stdout)) == (0, 1)
    assert deeds(folder) == {"0": 1, "1": 1}
