"""One at a time, across processes; the kernel releases a lock when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cluster.output import say

MACHINE = Path("/run/lock")


@contextmanager
def exclusive(path: Path, *, what: str) -> Iterator[None]:
    """Hold the lock of a file that is there only as long as somebody wants the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _locked(path, what=what)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _locked(path: Path, *, what: str) -> IO[str]:
    while True:
        file = path.open("w")
        if not _locked_within(file, seconds=1):
            say(f"Waiting for another devcluster that {what} …")
            fcntl.flock(file, fcntl.LOCK_EX)
        if _is_at(file, path):
            return file
        file.close()  # the one before us has removed the file while we waited


def _locked_within(file: IO[str], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.02)
    return False


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
