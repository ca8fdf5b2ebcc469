"""A run's object from now to its end, however often the connection breaks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import ApiError, CommandError, UnreachableError
from penstock.cli.outcome import is_final

WATCH_SECONDS = 60
"""One watch; a new one after it shows a connection that died in silence."""
PATIENCE_SECONDS = 120.0
LONGEST_PAUSE = 5.0


def read_run(cluster: Cluster, name: str) -> Object:
    """Return a run, or say which there are."""
    try:
        return cluster.get(cluster.path("flowruns", name))
    except ApiError as error:
        if error.status == 404 and name in error.message:
            raise CommandError(
                f"There is no run {name!r} in the namespace {cluster.namespace}; "
                f"list them with: penstock list -n {cluster.namespace}"
            ) from error
        raise


def follow_run(
    cluster: Cluster,
    name: str,
    *,
    trouble: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    seconds: float | None = None,
) -> Iterator[Object]:
    """Yield the run now and after each change, at last as it ended, or as it is after `seconds`.

    A run that goes on as a new one is followed by that. A lost connection is told to `trouble` (and
    its end, by an empty text), and made again for two minutes before the command gives up.
    """
    deadline = math.inf if seconds is None else clock() + seconds
    following: str | None = name
    while following is not None:
        for run in _follow_one(
            cluster, following, trouble=trouble, pause=pause, clock=clock, deadline=deadline
        ):
            yield run
        following = run.get("status", {}).get("continuedAs")


def _follow_one(
    cluster: Cluster,
    name: str,
    *,
    trouble: Callable[[str], None],
    pause: Callable[[float], None],
    clock: Callable[[], float],
    deadline: float,
) -> Iterator[Object]:
    run = read_run(cluster, name)
    yield run
    failing_since: float | None = None
    delay = 0.2
    while not is_final(run) and (left := deadline - clock()) > 0:
        try:
            for run in _changes(cluster, run, seconds=math.ceil(min(WATCH_SECONDS, left))):  # noqa: B020 - the next watch begins after the last
                if failing_since is not None:
                    trouble("")
                failing_since, delay = None, 0.2
                yield run
        except (UnreachableError, ApiError) as error:
            if isinstance(error, ApiError) and not error.passes:
                raise
            failing_since = clock() if failing_since is None else failing_since
            if clock() - failing_since > PATIENCE_SECONDS:
                raise
            trouble(f"{error} Trying again …")
            pause(delay)
            delay = min(LONGEST_PAUSE, delay * 2)


def _changes(cluster: Cluster, run: Object, *, seconds: int) -> Iterator[Object]:
    """Yield the run after each change, beginning with what happened since; then return."""
    name = run["metadata"]["name"]
    present = read_run(cluster, name)
    if present["metadata"]["uid"] != run["metadata"]["uid"]:
        raise CommandError(_gone(name))
    yield present
    if is_final(present):
        return
    events = cluster.watch(
        cluster.path("flowruns"),
        seconds=seconds,
        fieldSelector=f"metadata.name={name}",
        resourceVersion=present["metadata"]["resourceVersion"],
    )
    for event in events:
        if event["type"] == "ERROR":
            return  # most often 410: the version is too old, so read it again
        if event["type"] == "DELETED":
            raise CommandError(_gone(name))
        yield event["object"]
        if is_final(event["object"]):
            return


def _gone(name: str) -> str:
    return (
        f"The run {name} was deleted while it was watched; how it would have ended, nobody knows."
    )
