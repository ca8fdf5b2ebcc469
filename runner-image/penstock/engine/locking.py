"""What the engine needs of locks: one holder of a key at a time."""

from __future__ import annotations

from typing import Protocol


class LockManager(Protocol):
    """Grants locks by key. Called from many threads at once; any store may stand behind it."""

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Hold the lock of ``key``, after waiting ``acquire_timeout`` seconds at most.

        0 means not to wait, ``None`` to wait as long as it takes. A holder that has it gets it. It
        is let go after ``hold_timeout`` seconds, if they are given.
        """

    def release_lock(self, key: str, holder: str) -> None:
        """Let go of the lock; raise ``ValueError`` if it is not the holder's."""
