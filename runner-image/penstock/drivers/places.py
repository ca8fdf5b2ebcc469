"""What the drivers need of a task runner, built in or not (``docs/task-runners.md``)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Place(Protocol):
    """Where the bodies of one flow run's submitted tasks are run, if not in this process.

    Made by a task runner, used from many threads at once: each carries one body.
    """

    @property
    def shares_modules(self) -> bool:
        """Whether the place can import what this process has imported: same machine, same path.

        Then a body travels as its name, else as its code.
        """

    def run(self, parcel: bytes, *, timeout: float | None) -> bytes:
        """Call ``penstock.drivers.parcels.run_parcel(parcel)`` there once; return what it returns.

        Never runs a parcel twice: retries are the engine's. Raises ``TimeoutError`` after
        ``timeout`` seconds, having stopped the body if it can; whatever else it raises is how the
        task failed.
        """

    def close(self) -> None:
        """Stop the bodies that still run: nobody waits for them any more."""


class Listener(Protocol):
    """Hears of a body that runs elsewhere, from the thread that carries it."""

    def begin(self) -> None:
        """Hear that the body begins: its time runs from here."""

    def beat(self, payload: bytes) -> None:
        """Hear a heartbeat."""

    def left(self) -> float | None:
        """Return the seconds that the body may still take; ``None``: any number."""


@runtime_checkable
class HearingPlace(Place, Protocol):
    """A place that brings heartbeats home while a body runs."""

    def run_heard(self, parcel: bytes, *, listener: Listener) -> bytes:
        """Run a parcel as ``run``, for as long as the listener lets it, and tell that of beats."""


class TaskRunner(Protocol):
    """Decides where submitted tasks run. One object serves many flow runs, at the same time too."""

    @property
    def max_workers(self) -> int | None:
        """How many bodies of one flow run are run at once; ``None``: as many as threads suit."""

    def open(self) -> Place | None:
        """Return the place for one flow run, quickly; ``None``: the threads of this process."""
