"""Runs in this process: what goes to which stream, and the exit codes."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Penstock = Callable[..., Any]

SLEEPER = """
import time
from penstock import flow, task

@task
def sleep() -> None:
    print("asleep", flush=True)
    time.sleep(3600)

@flow
def sleeper() -> None:
    sleep()
"""


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """Run the command line as a process of its own: it listens to signals."""
    command = (sys.executable, "-m", "penstock.cli.main", *arguments)
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True)


def test_prints_and_the_result_go_to_stdout_and_all_else_to_stderr(flow_file: Path) -> None:
    process = start(
        "run", "sums.py:doubled_sum", "-p", "numbers=[1, 2]", "-o", "json", folder=flow_file.parent
    )
    stdout, stderr = process.communicate(timeout=90)

    assert process.returncode == 0, stderr
    assert stdout == "sum 6\n6\n"
    lines = stderr.splitlines()
    assert lines[0].startswith("run doubled-sum-")
    assert any("added up" in line for line in lines)
    assert "Completed  2/2" in lines[-1]


def test_a_failed_flow_exits_with_1_and_its_traceback(penstock: Penstock, flow_file: Path) -> None:
    done = penstock("run", "sums.py:broken", "-o", "json")

    assert done.exit_code == 1
    assert done.stdout == ""
    assert "ValueError: the bridge is closed" in done.stderr


def test_a_flow_that_leaves_the_process_exits_with_3(penstock: Penstock, flow_file: Path) -> None:
    assert penstock("run", "sums.py:leaver").exit_code == 3


def test_a_run_that_cannot_begin_leaves_nothing_behind(penstock: Penstock, flow_file: Path) -> None:
    refused = penstock("run", "sums.py:doubled_sum", "-p", "numbers=7")

    assert refused.exit_code == 2
    assert refused.stderr.count("numbers: Input should be a valid list") == 1
    assert "-p NAME=VALUE" in refused.stderr
    assert "sums" not in penstock("runs").stdout


def test_a_home_that_cannot_be_written_is_named(
    penstock: Penstock, flow_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", "/dev/null/home")

    done = penstock("run", "sums.py:doubled_sum", "-p", "numbers=[1]")

    assert done.exit_code == 2
    assert "Runs cannot be kept in /dev/null/home" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["sums.py:doubled_sum"], "numbers", id="a parameter is missing"),
        pytest.param(["sums.py:nothing"], "nothing", id="no such flow"),
        pytest.param(["nowhere.py:daily"], "nowhere.py", id="no such file"),
        pytest.param(["sums.py"], "penstock run sums.py:FLOW", id="no flow named"),
        pytest.param(["sums.py:broken", "--watch"], "leave --watch", id="an option for clusters"),
        pytest.param(["--resume", "r", "-p", "x=1"], "leave -p", id="other parameters"),
        pytest.param(["--resume", "r", "--run-id", "q"], "leave -p", id="another name"),
        pytest.param(["sums.py:broken", "--force"], "--resume ID", id="nothing to take over"),
    ],
)
def test_what_cannot_be_run_exits_with_2_and_a_sentence(
    penstock: Penstock, flow_file: Path, arguments: list[str], words: str
) -> None:
    done = penstock("run", *arguments)

    assert done.exit_code == 2
    assert words in done.stderr


def test_a_result_that_json_cannot_hold_is_printed_as_python_shows_it(
    penstock: Penstock, flow_file: Path
) -> None:
    flow_file.write_text(
        "import datetime\nfrom penstock import flow\n"
        "@flow\ndef mixed():\n    return [datetime.date(2026, 11, 20), object]\n"
    )
    done = penstock("run", "sums.py:mixed", "-o", "json")

    assert json.loads(done.stdout) == ["2026-11-20", "<class 'object'>"]


def test_the_second_signal_leaves_at_once(flow_file: Path) -> None:
    """The first waits for the task that runs, which here takes longer than anybody would."""
    flow_file.write_text(SLEEPER)
    process = start("run", "sums.py:sleeper", folder=flow_file.parent)
    assert process.stdout is not None
    assert process.stdout.readline() == "asleep\n"
    assert process.stderr is not None

    process.send_signal(signal.SIGINT)
    next(line for line in process.stderr if "Ctrl-C again leaves at once" in line)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 5
    assert "is suspended. Go on with: penstock run --resume" in stderr
