"""What time it is for a run, and how its waits hear that time has passed.

The system's time, unless a test has put a clock of its own in its place (``penstock.testing``):
then every state, delay, time-out, expiry and schedule goes by that. A context variable says which,
so that it holds where the test's calls go, submitted tasks included, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


class Gate(Protocol):
    """What one thread waits at until another opens it: as much of ``threading.Event``."""

    def set(self) -> None:
        """Let the thread go on."""

    def clear(self) -> None:
        """Close the gate again."""

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the gate is open, or ``timeout`` seconds passed."""


class Stint(Protocol):
    """Work that a thread is about to do, from when it was decided until it is done.

    Entered and left in the thread that does it; a clock that jumps ahead waits for its end.
    """

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def disown(self) -> None:
        """Count the work no longer: nobody waits for it. May be called in any thread."""


class Clock(Protocol):
    """Tells the time, and is told who waits and who works. Called from many threads at once."""

    def __hash__(self) -> int: ...

    def now(self) -> datetime:
        """Return the moment, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def call_later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call ``function``, which is quick, after so long; return what forgets it."""

    def gate(self) -> Gate:
        """Return a gate: a thread that waits there does not work."""

    def stint(self) -> Stint:
        """Return work that has to be done before time may pass."""

    def at_end(self, function: Callable[[], None]) -> None:
        """Call ``function`` when the clock is in force no more."""

    def watch(self, loop: AbstractEventLoop, *, thread: int | None) -> None:
        """Note that a wait of ``loop``, which runs in ``thread``, began or is over."""


current_clock: ContextVar[Clock | None] = ContextVar("penstock_clock", default=None)
"""``None``: the system's time."""


def now() -> datetime:
    """Return the moment, in UTC, by the clock that is in force."""
    clock = current_clock.get()
    return datetime.now(UTC) if clock is None else clock.now()
