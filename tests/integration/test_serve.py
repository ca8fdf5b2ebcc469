"""A served flow as a process: it runs on time, and Ctrl-C ends it cleanly."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from penstock import flow, task

@task
def wait(): ...

@flow
def endless():
    print("begun", flush=True)
    try:
        while True:
            wait()
    finally:
        print("cleaned up", flush=True)

endless.serve("e", interval=1, limit=1)
print("served", flush=True)
"""


def test_ctrl_c_cancels_the_run_and_ends_the_program(tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, "served.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        rest, log = process.communicate(timeout=60)

    assert rest == "cleaned up\nserved\n"
    assert process.returncode == 0
    assert "Traceback" not in log
    assert "Stopping" in log
