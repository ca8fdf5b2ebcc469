"""Locks by key, with one holder at a time: what the engine needs of them, and how it waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from penstock.engine.effects import Steps

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05


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


class Lock:
    """One wish to hold the lock of a key."""

    __slots__ = ("holder", "key", "locks")

    def __init__(self, locks: LockManager, key: str) -> None:
        self.locks = locks
        self.key = key
        self.holder: str | None = None
        """Tells us from all others; drawn by the driver when it first asks."""

    def release(self) -> None:
        """Let go of it."""
        assert self.holder is not None, "it was acquired"
        self.locks.release_lock(self.key, self.holder)


def await_lock(lock: Lock, *, unless: Callable[[], bool]) -> Steps[bool]:
    """Wait for the lock, or until there is no need for it; tell whether it is held.

    The pauses hold no thread, and end when the run is cancelled.
    """
    from penstock.engine.effects import Acquire, Pause

    pause = _FIRST_PAUSE
    while not (yield from Acquire(lock)):
        if unless():
            return False
        yield Pause(pause, early=_by_time_alone)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return True


def _by_time_alone(_: Callable[[], None]) -> None:
    """Say nothing of a holder that may be anywhere. That this is asked keeps the run here."""


def let_go(lock: Lock) -> Steps[None]:
    """Let go of a lock; that it cannot be is said, and fails nothing."""
    from penstock.engine.effects import Complain, Release

    try:
        yield Release(lock)
    except Exception as error:
        yield Complain(f"The lock of {lock.key} cannot be let go of.", error)
