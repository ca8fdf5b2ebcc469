"""What a program shows that set up nothing: its log, and the exceptions nobody caught."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.sdk.script import run_script

LOGGING = """
from penstock import flow, get_run_logger, task

@task
def step(x):
    get_run_logger().info("working on %s", x)

@task(retries=1)
def fail():
    raise ValueError("broken")

@flow
def example():
    step(1)
    fail.submit().result(raise_on_failure=False)

{setup}
example()
"""

FAILING = """
from penstock import flow, task

@task
def divide(x, y):
    return x / y

@flow
def daily():
    return divide(1, 0)

daily()
"""


def test_a_script_shows_its_log_without_any_setup() -> None:
    lines = run_script(LOGGING.format(setup="")).stderr.splitlines()

    assert any(line.endswith("INFO    step-0 | working on 1") for line in lines)
    assert any("WARNING fail-0 | AwaitingRetry: Attempt 1 failed" in line for line in lines)
    assert any("ERROR   fail-0 | Failed: ValueError: broken" in line for line in lines)


def test_a_program_that_set_up_logging_keeps_its_own_format() -> None:
    setup = "import logging; logging.basicConfig(level='INFO', format='MINE %(message)s')"

    lines = run_script(LOGGING.format(setup=setup)).stderr.splitlines()

    assert "MINE working on 1" in lines
    assert all(line.startswith("MINE ") for line in lines)


@pytest.mark.parametrize(("debug", "shown"), [("", False), ("1", True)])
def test_tracebacks_show_the_authors_lines_alone(tmp_path: Path, debug: str, shown: bool) -> None:
    script = tmp_path / "daily.py"
    script.write_text(FAILING)
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PENSTOCK_DEBUG": debug},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    frames = [line for line in done.stderr.splitlines() if line.startswith("  File")]
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert [", line 12, " in frames[0], ", line 6, " in frames[-1]] == [True, True]
    assert ("penstock/flows.py" in done.stderr) == shown
    assert shown or len(frames) == 3
