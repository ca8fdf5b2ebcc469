"""Which process is which, although numbers come back."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process by its number, and what tells it from another one of that number."""

    pid: int
    started: str


def this_process() -> Process:
    """Return the process that asks."""
    return _with_start(os.getpid())


@lru_cache(maxsize=1)
def _with_start(pid: int) -> Process:
    return Process(pid, _started(pid))


def is_alive(process: Process) -> bool:
    """Tell whether a process still runs."""
    return _started(process.pid) == process.started


def _started(pid: int) -> str:
    """Return what tells this process from another of its number; nothing if there is none."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self/stat").exists() else _answers(pid)
    return "" if after_name[0] in "ZX" else after_name[19]


def _answers(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"
