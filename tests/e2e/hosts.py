"""Violence from outside: signals to processes that the cluster believes to be its own.

The nodes of the development cluster, and of kind, share this machine's process table, so root finds
them there.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


def _processes() -> Iterator[tuple[int, Path]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            yield int(entry.name), entry


def _read(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it has ended meanwhile, or is not ours to look at
        return []


def processes_of_pod(name: str) -> list[int]:
    """Return the runner's processes in that pod, the oldest first."""
    wanted = f"PENSTOCK_POD_NAME={name}"
    return sorted(pid for pid, entry in _processes() if wanted in _read(entry / "environ"))


def kill(pids: list[int], what: str) -> None:
    """SIGKILL them, or skip the test where they cannot be reached."""
    if not pids:
        pytest.skip(f"{what} is not among the processes of this machine")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Tell whether the process exists and is more than a zombie."""
    try:
        stat = (Path("/proc") / str(pid) / "stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
