"""Let runs leave their pods, and go on.

What is so already is said and done with; what cannot be is an error, which does not save the other
runs that were named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import CommandError
from penstock.cli.following import read_run
from penstock.cli.outcome import is_final, state_of


def suspend_runs(cluster: Cluster, names: list[str]) -> None:
    """Let each run leave its pod."""

    def suspend(run: Object) -> str:
        if run["spec"].get("suspend"):
            return "is suspended already"
        _change(cluster, run, {"suspend": True})
        return "is being suspended"

    _tell_each(cluster, names, suspend)


def resume_runs(cluster: Cluster, names: list[str], *, accept: bool = False) -> None:
    """Let each run go on that was suspended, or waits for a person: with ``accept`` although its
    flow has changed."""

    def resume(run: Object) -> str:
        spec: dict[str, Any] = {"suspend": False}
        if waits_for_person(run):
            accepted = accept or run["spec"].get("resume", {}).get("accept", False)
            spec["resume"] = {"attempt": run["status"]["attempt"], "accept": accepted}
        elif not run["spec"].get("suspend"):
            return _why_not(run)
        _change(cluster, run, spec)
        return "is being resumed"

    _tell_each(cluster, names, resume)


def waits_for_person(run: Object) -> bool:
    """Tell whether somebody has to mend something before the run goes on."""
    report = run.get("status", {}).get("execution") or {}
    return bool((report.get("suspension") or {}).get("kind") == "Person")


def _tell_each(cluster: Cluster, names: list[str], change: Callable[[Object], str]) -> None:
    errors = []
    for name in names:
        try:
            run = read_run(cluster, name)
            if is_final(run):
                raise CommandError(f"{name} has ended already: {state_of(run)}.")
            print(f"{name} {change(run)}", flush=True)
        except CommandError as error:
            errors.append(str(error))
    if errors:
        raise CommandError("\n".join(errors))


def _change(cluster: Cluster, run: Object, spec: Object) -> None:
    cluster.merge(cluster.path("flowruns", run["metadata"]["name"]), {"spec": spec})


def _why_not(run: Object) -> str:
    """Say how a run stands that nobody has suspended, or refuse what its pool holds."""
    status, name = run.get("status", {}), run["metadata"]["name"]
    waiting = status.get("waitingFor") or {}
    if state_of(run) == "Suspended" and waiting.get("kind") == "WorkPool":
        pool = waiting.get("name")
        raise CommandError(
            f"{name} is suspended with its WorkPool {pool}, and goes on with it: kubectl patch "
            f'workpool {pool} --type merge -p \'{{"spec": {{"suspend": false}}}}\''
        )
    if state_of(run) == "Suspended" and waiting.get("kind") == "Suspend":
        return "is being resumed already"
    return f"is not suspended: it is {state_of(run)}. {status.get('message', '')}".rstrip()
