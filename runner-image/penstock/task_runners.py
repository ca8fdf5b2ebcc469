"""Where submitted tasks run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

from penstock.absent import refuse_absent
from penstock.drivers.places import Place, TaskRunner
from penstock.errors import MissingLibraryError

if TYPE_CHECKING:
    from penstock.drivers.processes import ProcessPool

__all__ = [
    "DaskTaskRunner",
    "Place",
    "ProcessPoolTaskRunner",
    "RayTaskRunner",
    "TaskRunner",
    "ThreadPoolTaskRunner",
]

BODIES_ON_A_CLUSTER = 256
"""Bodies that are sent to Dask or Ray at once; the library queues what its workers cannot take."""


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


class DaskTaskRunner:
    """Workers of a Dask cluster: of ``cluster``, at ``address``, or of a local one for each run.

    ``cluster_class`` and ``cluster_kwargs`` make another than a ``LocalCluster``; ``adapt_kwargs``
    are for its ``adapt``, ``client_kwargs`` for the client. Dask's own retries are off.
    """

    def __init__(
        self,
        *,
        cluster: Any = None,
        address: str | None = None,
        cluster_class: Callable[..., Any] | None = None,
        cluster_kwargs: Mapping[str, object] | None = None,
        adapt_kwargs: Mapping[str, object] | None = None,
        client_kwargs: Mapping[str, object] | None = None,
        max_workers: int | None = None,
    ) -> None:
        _check_max_workers(max_workers)
        need("distributed", extra="dask", runner="DaskTaskRunner")
        if sum(each is not None for each in (cluster, address, cluster_class)) > 1:
            raise ValueError("Give the DaskTaskRunner one of cluster, address and cluster_class.")
        if (cluster_kwargs and (cluster or address)) or (adapt_kwargs and address):
            raise ValueError("cluster_kwargs and adapt_kwargs need a cluster made by the runner.")
        self.max_workers = max_workers or BODIES_ON_A_CLUSTER
        self._options = {
            "cluster": cluster,
            "address": address,
            "cluster_class": cluster_class,
            "cluster_kwargs": cluster_kwargs or {},
            "adapt_kwargs": adapt_kwargs or {},
            "client_kwargs": client_kwargs or {},
        }

    def open(self) -> Place:
        """Return a connection of one flow run, made when its first task is submitted."""
        from penstock.drivers.clusters import DaskPlace, connect_to_dask

        return DaskPlace(partial(connect_to_dask, **self._options))


class RayTaskRunner:
    """Workers of a Ray cluster: the one at ``address``, or a local one for each run.

    ``init_kwargs`` are for ``ray.init``, which is not called where the program has. Ray's own
    retries are off.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        init_kwargs: Mapping[str, object] | None = None,
        max_workers: int | None = None,
    ) -> None:
        _check_max_workers(max_workers)
        need("ray", extra="ray", runner="RayTaskRunner")
        self.max_workers = max_workers or BODIES_ON_A_CLUSTER
        self._init_kwargs = {**({"address": address} if address else {}), **(init_kwargs or {})}

    def open(self) -> Place:
        """Return a flow run's use of Ray, initialised when its first task is submitted."""
        from penstock.drivers.clusters import RayPlace

        return RayPlace(self._init_kwargs)


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


refuse_absent(globals())
