"""Locks in the memory of the process: for its threads and event loops, and for nobody else."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import ClassVar

from penstock.locking.awaited import AwaitedLocks

__all__ = ["MemoryLockManager"]


@dataclass(frozen=True, slots=True)
class _Hold:
    holder: str
    until: float | None
    """In monotonic time."""


class MemoryLockManager(AwaitedLocks):
    """Grants locks by key; all managers of a process share them."""

    waits = False
    _holds: ClassVar[dict[str, _Hold]] = {}
    _changed = threading.Condition()

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Hold the lock of ``key``; tell whether it was had in time."""
        deadline = None if acquire_timeout is None else time.monotonic() + acquire_timeout
        with self._changed:
            if not self._await_free(key, holder, deadline):
                return False
            until = None if hold_timeout is None else time.monotonic() + hold_timeout
            self._holds[key] = _Hold(holder, until)
            return True

    def release_lock(self, key: str, holder: str) -> None:
        """Let go of the lock; raise ``ValueError`` if it is not the holder's."""
        with self._changed:
            if not self.is_lock_holder(key, holder):
                raise ValueError(f"{holder} does not hold the lock of {key}.")
            del self._holds[key]
            self._changed.notify_all()

    def is_locked(self, key: str) -> bool:
        """Tell whether anybody holds the lock."""
        return self._hold_of(key) is not None

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Tell whether this holder has the lock."""
        hold = self._hold_of(key)
        return hold is not None and hold.holder == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody holds the lock; tell whether that came in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            return self._await_free(key, None, deadline)

    def _await_free(self, key: str, holder: str | None, deadline: float | None) -> bool:
        while (hold := self._hold_of(key)) is not None and hold.holder != holder:
            ends = [end for end in (deadline, hold.until) if end is not None]
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._changed.wait(min(ends) - time.monotonic() if ends else None)
        return True

    def _hold_of(self, key: str) -> _Hold | None:
        hold = self._holds.get(key)
        if hold is None or (hold.until is not None and time.monotonic() >= hold.until):
            return None
        return hold
