"""Locks in files between processes: one at a time, and none is left behind by a dead one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.locking.filesystem import FileSystemLockManager

LOAD = """
import os, sys
from penstock import task
from penstock.cache_policies import INPUTS

@task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
def load(what):
    with open("ran", "a") as file:
        file.write("x")
    print("running", flush=True)
    sys.stdin.readline()
    return what.upper()

print(load("a", return_state=True).name, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "load.py").write_text(LOAD)
    return tmp_path


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "load.py"],
        cwd=folder,
        env=os.environ | {"PENSTOCK_HOME": str(folder / "home")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_process_waits_for_the_other_and_takes_its_result(folder: Path) -> None:
    with start(folder) as first:
        assert line_of(first) == "running"
        with start(folder) as second:
            let_go_on(first)
            states = line_of(first), line_of(second)

    assert states == ("Completed", "Cached")
    assert (folder / "ran").read_text() == "x"


def test_the_lock_of_a_process_that_was_killed_is_taken_over(folder: Path) -> None:
    with start(folder) as first:
        assert line_of(first) == "running"
        with start(folder) as second:
            first.send_signal(signal.SIGKILL)
            assert line_of(second) == "running"
            let_go_on(second)
            state = line_of(second)

    assert state == "Completed"
    assert (folder / "ran").read_text() == "xx"
    assert list((folder / "home/locks").iterdir()) == []


def test_a_lock_file_that_a_dead_process_left_locks_nothing(tmp_path: Path) -> None:
    hold = (
        "import os, sys\n"
        "from penstock.locking.filesystem import FileSystemLockManager\n"
        "FileSystemLockManager(sys.argv[1]).acquire_lock('key', 'ada')\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", hold, str(tmp_path)], check=False)
    locks = FileSystemLockManager(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["key.lock"]
    assert not locks.is_locked("key")
    assert not locks.is_lock_holder("key", "ada")
    assert locks.acquire_lock("key", "bob", acquire_timeout=0)
    locks.release_lock("key", "bob")
