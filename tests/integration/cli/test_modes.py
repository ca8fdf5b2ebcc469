"""Modes of durability under SIGKILL: at most once, pipelined, and what a heartbeat said."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.integration.cli.test_local_runs import deeds, finish
from tests.integration.cli.test_run_local import start

FLOW = """
import time
from pathlib import Path
from penstock import flow, heartbeat, runtime, task
from penstock.exceptions import TaskInterrupted
from penstock.task_runners import ProcessPoolTaskRunner

def note(what: object) -> None:
    with Path("deeds.txt").open("a") as deeds:
        deeds.write(f"{what}\\n")

@task(at_most_once=True)
def pay(whom: str) -> str:
    note(f"paid-{whom}")
    time.sleep(1.5 if whom == "ada" else 0)
    return whom

def paid(future) -> str:
    try:
        return future.result()
    except TaskInterrupted:
        return "unknown"

@flow
def in_threads() -> list[str]:
    return [paid(future) for future in pay.map(["ada", "bob"])]

@flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
def in_processes() -> list[str]:
    return [paid(future) for future in pay.map(["ada", "bob"])]

@task
def step(number: int) -> int:
    note(number)
    time.sleep(0.002)
    return number

@flow(durability="pipelined")
def ahead() -> int:
    return sum(step(number) for number in range(300))

@task
def crawl() -> int:
    begun = runtime.task_run.heartbeat or 0
    for page in range(begun, 5):
        note(f"page-{page}")
        heartbeat(page + 1)
        time.sleep(0.3 if begun == 0 else 0)
    return begun

@flow
def crawling() -> int:
    return crawl()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with flows, and a home of its own."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    (tmp_path / "modes.py").write_text(FLOW)
    return tmp_path


def killed_after(deed: str, folder: Path, *, flow: str) -> None:
    """Start a run, and kill its process as soon as it has done something."""
    process = start("run", f"modes.py:{flow}", "--run-id", "run-1", folder=folder)
    deadline = time.monotonic() + 30
    while not deeds(folder)[deed]:
        assert time.monotonic() < deadline, "the flow does not come forward"
        time.sleep(0.005)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("flow", ["in_threads", "in_processes"])
def test_nobody_is_paid_twice_whenever_the_process_is_killed(flow: str, folder: Path) -> None:
    killed_after("paid-ada", folder, flow=flow)

    code, stdout, stderr = finish("run", "--resume", "run-1", "-o", "json", folder=folder)

    assert code == 0, stderr
    assert '"unknown"' in stdout
    assert max(deeds(folder).values()) == 1


def test_a_pipelined_run_does_again_only_what_was_not_stored(folder: Path) -> None:
    killed_after("150", folder, flow="ahead")

    code, stdout, stderr = finish("run", "--resume", "run-1", "-o", "json", folder=folder)

    assert (code, stdout.strip()) == (0, str(sum(range(300)))), stderr
    assert deeds(folder)["0"] == 1
    assert sum(deeds(folder).values()) < 300 + 100


def test_a_later_process_goes_on_from_the_heartbeat_that_was_stored(folder: Path) -> None:
    killed_after("page-1", folder, flow="crawling")

    code, stdout, stderr = finish("run", "--resume", "run-1", "-o", "json", folder=folder)

    assert (code, stdout.strip()) == (0, "1"), stderr
    assert deeds(folder)["page-0"] == 1
