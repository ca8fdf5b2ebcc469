"""Where submitted tasks run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING

from penstock.drivers.places import Place, TaskRunner
from penstock.errors import MissingLibraryError

if TYPE_CHECKING:
    from penstock.drivers.processes import ProcessPool

__all__ = ["Place", "ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]


@dataclass(frozen=True, slots=True)
class ThreadPoolTaskRunner:
    """Threads of this process; async tasks share one event loop."""

    max_workers: int | None = None
    """How many task bodies run at once. A body that waits for another task does not count.

    ``None``: the number of processors and 4, at least 8 and at most 32; async bodies 1,000.
    """

    def __post_init__(self) -> None:
        _check_max_workers(self.max_workers)

    def open(self) -> None:
        """Return no place: bodies run in this process."""


class ProcessPoolTaskRunner:
    """Processes of this machine, for bodies that compute in Python.

    The processes start when first needed and stay for the flow runs that follow, until ``close``
    or the end of the program. ``initializer(*initargs)`` is called in each before its first body.
    """

    def __init__(
        self,
        *,
        max_workers: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[object, ...] = (),
    ) -> None:
        _check_max_workers(max_workers)
        need("cloudpickle", extra="processes", runner="ProcessPoolTaskRunner")
        if os.name != "posix":
            raise OSError("The ProcessPoolTaskRunner needs Linux or macOS; use threads here.")
        self.max_workers = max_workers or os.cpu_count() or 1
        """How many processes there are at most; by default one for each processor."""
        self._start = (initializer, initargs) if initializer else None
        self._pool: ProcessPool | None = None
        self._lock = Lock()

    def open(self) -> Place:
        """Return a flow run's share of the processes."""
        import cloudpickle

        from penstock.drivers.processes import ProcessPlace, ProcessPool

        with self._lock:
            if self._pool is None or self._pool.owner != os.getpid():
                greeting = cloudpickle.dumps(self._start)
                self._pool = ProcessPool(self.max_workers, greeting=greeting)
            return ProcessPlace(self._pool)

    def close(self) -> None:
        """End the processes; a flow run that follows starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


def need(library: str, *, extra: str, runner: str) -> None:
    """Raise ``MissingLibraryError``, with the line that installs ``library``, if it is missing."""
    if find_spec(library) is None:
        raise MissingLibraryError(
            f"The {runner} needs {library}, which is not installed: "
            f"pip install 'penstock[{extra}]'."
        )


def _check_max_workers(max_workers: int | None) -> None:
    if max_workers is not None and max_workers < 1:
        raise ValueError(f"max_workers is at least 1, or None, not {max_workers!r}.")
