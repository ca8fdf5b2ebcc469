"""Locks in a folder that processes share: files that the operating system locks.

It lets go of them when their process ends, however it ends, so that a lock is never left behind.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from penstock.locking.awaited import AwaitedLocks

__all__ = ["FileSystemLockManager"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
_FIT_FOR_A_NAME = re.compile(r"[\w.=+@-]{1,200}")


@dataclass(frozen=True, slots=True)
class _Hold:
    descriptor: int
    holder: str
    expiry: threading.Timer | None


class FileSystemLockManager(AwaitedLocks):
    """Grants locks by key to the processes that use the same folder of one machine."""

    waits = False

    def __init__(self, lock_files_directory: str | Path) -> None:
        self.lock_files_directory = Path(lock_files_directory).expanduser().resolve()
        self._holds: dict[str, _Hold] = {}
        self._lock = threading.Lock()

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Hold the lock of ``key``; tell whether it was had in time.

        With ``hold_timeout`` this process lets go of it by itself after so many seconds.
        """
        deadline = None if acquire_timeout is None else time.monotonic() + acquire_timeout
        pause = _FIRST_PAUSE
        while not self._try(key, holder, hold_timeout):
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Let go of the lock; raise ``ValueError`` if it is not the holder's."""
        with self._lock:
            hold = self._holds.get(key)
            if hold is None or hold.holder != holder:
                raise ValueError(f"{holder} does not hold the lock of {key}.")
            self._let_go(key, hold)

    def is_locked(self, key: str) -> bool:
        """Tell whether anybody holds the lock."""
        if key in self._holds:
            return True
        try:
            descriptor = os.open(self._path(key), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _locked(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Tell whether this holder has the lock, in whatever process."""
        if not self.is_locked(key):
            return False
        try:
            return bool(json.loads(self._path(key).read_text())["holder"] == holder)
        except (FileNotFoundError, ValueError):
            return False

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody holds the lock; tell whether that came in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while self.is_locked(key):
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    def _try(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        with self._lock:
            hold = self._holds.get(key)
            if hold is not None:
                return hold.holder == holder
            descriptor = self._open_locked(self._path(key))
            if descriptor is None:
                return False
            os.truncate(descriptor, 0)
            os.write(descriptor, json.dumps({"holder": holder, "pid": os.getpid()}).encode())
            self._holds[key] = hold = _Hold(
                descriptor, holder, self._expiry(key, holder, hold_timeout)
            )
            if hold.expiry is not None:
                hold.expiry.start()
            return True

    def _open_locked(self, path: Path) -> int | None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _locked(descriptor, fcntl.LOCK_EX) and _is_there(descriptor, path):
            return descriptor
        os.close(descriptor)
        return None

    def _expiry(self, key: str, holder: str, seconds: float | None) -> threading.Timer | None:
        if seconds is None:
            return None
        timer = threading.Timer(seconds, self._expire, args=(key, holder))
        timer.daemon = True
        return timer

    def _expire(self, key: str, holder: str) -> None:
        with self._lock:
            hold = self._holds.get(key)
            if hold is not None and hold.holder == holder and hold.expiry is not None:
                self._let_go(key, hold)

    def _let_go(self, key: str, hold: _Hold) -> None:
        if hold.expiry is not None:
            hold.expiry.cancel()
        del self._holds[key]
        self._path(key).unlink(missing_ok=True)  # while it is ours: see _is_there
        os.close(hold.descriptor)

    def _path(self, key: str) -> Path:
        if not _FIT_FOR_A_NAME.fullmatch(key):
            key = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        return self.lock_files_directory / f"{key}.lock"


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_there(descriptor: int, path: Path) -> bool:
    """Tell whether the file still has its name: whoever held it before has removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
