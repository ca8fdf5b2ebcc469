"""Runs in the cluster, seen from Python: ``await wait_for_flow_run("daily-x7k2p")``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.absent import refuse_absent, refusing_options
from penstock.errors import FailedRun, MissingLibraryError, PenstockError, ResultElsewhere
from penstock.input import pause_flow_run, suspend_flow_run
from penstock.states import State, StateType

if TYPE_CHECKING:
    from penstock.cli.cluster import Cluster

__all__ = [
    "ClusterError",
    "ClusterRun",
    "ResultElsewhere",
    "pause_flow_run",
    "suspend_flow_run",
    "wait_for_flow_run",
]

LONGEST = 10800.0
"""Seconds that ``wait_for_flow_run`` waits unless told otherwise, as Prefect's does."""


class ClusterError(PenstockError):
    """The cluster could not do what it was asked; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRun:
    """A FlowRun as it was when it was last read."""

    id: str
    """The object's uid."""
    name: str
    flow_name: str
    namespace: str
    parameters: Mapping[str, Any]
    state: State[Any]
    """A failed state holds the run's message; a completed one no result, which stays there."""


@refusing_options("wait_for_flow_run")
async def wait_for_flow_run(
    flow_run_id: str | ClusterRun,
    timeout: float | None = LONGEST,  # noqa: ASYNC109 - Prefect's name; it is not a cancellation
    *,
    namespace: str | None = None,
) -> ClusterRun:
    """Wait until a run in the cluster has ended; it is named, or what ``run_deployment`` returned.

    Raises ``TimeoutError`` if it has not after ``timeout`` seconds; it goes on then.
    """
    if isinstance(flow_run_id, ClusterRun):
        name, namespace = flow_run_id.name, flow_run_id.namespace
    else:
        name = flow_run_id
    run = await asyncio.to_thread(read_to_end, name, namespace=namespace, timeout=timeout)
    if not run.state.is_final():
        raise TimeoutError(
            f"{run.name} did not end within {timeout:g} seconds: it is {run.state.name}. "
            f"Go on waiting with: penstock watch {run.name} -n {run.namespace}"
        )
    return run


def read_to_end(name: str, *, namespace: str | None, timeout: float | None) -> ClusterRun:
    """Return a run as it ended, or as it is after ``timeout`` seconds."""
    from penstock.cli.following import follow_run

    with cluster_of(namespace) as cluster:
        for each in follow_run(cluster, name, seconds=timeout):
            read = each
        return run_of(read)


@contextmanager
def cluster_of(namespace: str | None) -> Iterator[Cluster]:
    """Yield the cluster that kubectl means, and turn what it refuses into ``ClusterError``."""
    try:
        from penstock.cli.connection import Target, connect
        from penstock.cli.errors import CommandError
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        yield connect(Target(namespace=namespace))
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    except CommandError as error:
        raise ClusterError(str(error)) from error


def _missing(error: ModuleNotFoundError) -> MissingLibraryError:
    return MissingLibraryError(
        f"Runs in a cluster need {error.name}, which is not installed: pip install 'penstock[cli]'."
    )


def run_of(read: Mapping[str, Any]) -> ClusterRun:
    """Return a FlowRun object in Penstock's terms."""
    metadata, spec = read["metadata"], read["spec"]
    return ClusterRun(
        id=metadata["uid"],
        name=metadata["name"],
        flow_name=spec["flowRef"]["name"],
        namespace=metadata["namespace"],
        parameters=spec.get("parameters", {}),
        state=_state_of(read, name=metadata["name"]),
    )


def _state_of(read: Mapping[str, Any], *, name: str) -> State[Any]:
    from penstock.cli.outcome import state_of

    status = read.get("status", {})
    state, message = state_of(read), status.get("message", "")
    kind = StateType.PAUSED if state == "Suspended" else StateType(state.upper())
    if kind is StateType.COMPLETED:
        return _Completed(kind, message=message, data=None)
    error = FailedRun(f"{name} ended as {state}: {message}")
    label = "TimedOut" if status.get("reason") == "TimedOut" else state
    return State(kind, name=label, message=message, data=error if kind in _BAD else None)


_BAD = frozenset({StateType.FAILED, StateType.CRASHED, StateType.CANCELLED})


class _Completed(State[Any]):
    """Whoever asks for its result is told where results are, rather than given ``None``."""

    __slots__ = ()

    def result(self, *, raise_on_failure: bool = True) -> Any:
        error = ResultElsewhere(
            "The run has completed in its pod, and its result did not come back: let the flow "
            "write it where both find it, such as a file, a table or a Variable."
        )
        if raise_on_failure:
            raise error
        return error


refuse_absent(globals())
