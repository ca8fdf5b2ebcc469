"""Places on Dask and Ray: each carries a parcel to a worker of its library, and no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from threading import Lock
from typing import Any, cast

from penstock.drivers.parcels import run_parcel
from penstock.errors import WorkerDied


class DaskPlace:
    """A Dask client, connected when the first task is submitted."""

    shares_modules = False

    def __init__(self, connect: Callable[[ExitStack], Any]) -> None:
        self._connect = connect
        self._lock = Lock()
        self._opened = ExitStack()
        self._client: Any = None

    def run(self, parcel: bytes, *, timeout: float | None) -> bytes:
        """Have a Dask worker run the parcel; at a time-out Dask is told to forget it."""
        from distributed.scheduler import KilledWorker

        client = self._connected()
        future = client.submit(run_parcel, parcel, pure=False, retries=0)
        try:
            return cast("bytes", future.result(timeout))
        except TimeoutError:
            future.cancel()
            raise
        except KilledWorker as error:
            raise WorkerDied(f"The Dask worker that ran the task is gone: {error}") from error

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connect(self._opened)
            return self._client

    def close(self) -> None:
        """Disconnect; a cluster that was made for the flow run ends."""
        with self._lock:
            self._client = None
            self._opened.close()


def connect_to_dask(
    opened: ExitStack,
    *,
    cluster: Any,
    address: str | None,
    cluster_class: Callable[..., Any] | None,
    cluster_kwargs: Mapping[str, object],
    adapt_kwargs: Mapping[str, object],
    client_kwargs: Mapping[str, object],
) -> Any:
    """Return a client, of a new local cluster unless one is named; ``opened`` closes both."""
    import dask
    from distributed import Client, LocalCluster

    target = cluster if cluster is not None else address
    if target is None:
        with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
            made = (cluster_class or LocalCluster)(**cluster_kwargs)
        opened.callback(made.close)
        target = made
    if adapt_kwargs:
        cast("Any", target).adapt(**adapt_kwargs)
    client = Client(target, **{"set_as_default": False, **client_kwargs})
    opened.callback(client.close)
    return client


class RayPlace:
    """Ray, initialised when the first task is submitted unless the program has done so."""

    shares_modules = False

    def __init__(self, init_kwargs: Mapping[str, object]) -> None:
        self._init_kwargs = init_kwargs
        self._lock = Lock()
        self._is_ours = False

    def run(self, parcel: bytes, *, timeout: float | None) -> bytes:
        """Have a Ray worker run the parcel; a time-out kills the worker."""
        import ray

        self._initialise(ray)
        running = ray.remote(max_retries=0)(run_parcel).remote(parcel)
        try:
            return cast("bytes", ray.get(running, timeout=timeout))
        except ray.exceptions.GetTimeoutError:
            ray.cancel(running, force=True)
            raise TimeoutError from None
        except ray.exceptions.WorkerCrashedError as error:
            raise WorkerDied(f"The Ray worker that ran the task died: {error}") from error

    def _initialise(self, ray: Any) -> None:
        with self._lock:
            if not ray.is_initialized():
                ray.init(**self._init_kwargs)
                self._is_ours = True

    def close(self) -> None:
        """Shut Ray down if the flow run started it."""
        import ray

        with self._lock:
            if self._is_ours:
                ray.shutdown()
                self._is_ours = False
