"""How a process that runs flows ends: soon, whatever its threads are doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from tests.integration.sdk.script import run_script

HEAD = """
import sys, threading, time
from penstock import flow, task
"""


def _run(body: str) -> subprocess.CompletedProcess[str]:
    return run_script(HEAD + body)


def test_an_abandoned_body_does_not_hold_the_process() -> None:
    """A ThreadPoolExecutor joins its threads when the interpreter exits."""
    done = _run(
        """
@task(timeout_seconds=0.05)
def stuck():
    time.sleep(60)

@flow
def example():
    return stuck.submit(return_state=True).name

print(example())
"""
    )

    assert (done.returncode, done.stdout) == (0, "TimedOut\n")


def test_ctrl_c_ends_a_flow_that_waits_for_a_task() -> None:
    program = """
@task
def stuck():
    print("started", flush=True)
    time.sleep(60)

@flow
def example():
    stuck.submit().result()

example()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert time.monotonic() - began < 30
    assert process.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in errors


def test_system_exit_in_a_called_task_leaves_with_its_code() -> None:
    done = _run(
        """
@task
def leave():
    sys.exit(7)

@flow
def example():
    leave()

example()
"""
    )

    assert done.returncode == 7


def test_an_uncaught_failure_ends_a_script_as_of_any_function() -> None:
    done = _run(
        """
@task
def fail():
    raise ValueError("broken")

@flow
def example():
    fail.submit()

example()
"""
    )

    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: broken\n")


def test_the_program_waits_for_what_it_submitted_outside_any_flow() -> None:
    done = _run(
        """
@task
def late():
    time.sleep(0.2)
    print('done')

late.submit()
"""
    )

    assert (done.returncode, done.stdout) == (0, "done\n")
