"""Ask runs to stop, and see them stop."""

from __future__ import annotations

from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import CommandError
from penstock.cli.following import follow_run, read_run
from penstock.cli.outcome import is_final, state_of
from penstock.cli.output import say


def cancel_runs(cluster: Cluster, names: list[str], *, wait: bool) -> None:
    """Cancel each run; one that cannot be cancelled does not save the others."""
    cancelled, errors = [], []
    for name in names:
        try:
            cancelled.append(_cancel(cluster, name))
        except CommandError as error:
            errors.append(error)
    for run in cancelled if wait else ():
        _wait(cluster, run)
    if errors:
        raise CommandError("\n".join(str(error) for error in errors))


def _cancel(cluster: Cluster, name: str) -> Object:
    run = read_run(cluster, name)
    while following := run.get("status", {}).get("continuedAs"):
        name = following
        run = read_run(cluster, name)
    if is_final(run):
        print(f"{name} has ended already: {state_of(run)}", flush=True)
        return run
    run = cluster.merge(cluster.path("flowruns", name), {"spec": {"cancel": True}})
    print(f"{name} is being cancelled", flush=True)
    return run


def _wait(cluster: Cluster, run: Object) -> None:
    if is_final(run):
        return
    name = run["metadata"]["name"]
    *_, last = follow_run(cluster, name, trouble=lambda words: say(words) if words else None)
    print(f"{name} has ended: {state_of(last)}", flush=True)
