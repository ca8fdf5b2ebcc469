"""Make a run that begins with what another one has stored, where that makes sense."""

from __future__ import annotations

from typing import Any

from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import CommandError
from penstock.cli.following import read_run
from penstock.cli.journals import entries_in_segments
from penstock.cli.outcome import is_final, state_of
from penstock.cli.rewinding import rewind_to
from penstock.cli.run_cluster import run_manifest
from penstock.cli.suspending import waits_for_person
from penstock.errors import RerunImpossible
from penstock.journal.reruns import Rewind, kept, origin_among


def create_rerun(cluster: Cluster, name: str, *, start: str, parameters: dict[str, Any]) -> Object:
    """Create a FlowRun that goes on from another one, and return it."""
    old = read_run(cluster, name)
    _require_end(old, start=start)
    rewind = rewind_to(start)
    if rewind.task:
        _require_entries(cluster, old, rewind=rewind)
    spec = old["spec"]
    body = run_manifest(
        spec["flowRef"]["name"],
        parameters=parameters,
        timeout_seconds=spec.get("timeoutSeconds"),
    )
    body["spec"]["rerunOf"] = {"name": name, "from": rewind.start}
    if rewind.task:
        body["spec"]["rerunOf"]["task"] = rewind.task
    return cluster.create(cluster.path("flowruns"), body)


def _require_entries(cluster: Cluster, old: Object, *, rewind: Rewind) -> None:
    """Refuse a task that the run has stored nothing of, where its journal can be read from here;
    elsewhere the new run finds out."""
    lines = entries_in_segments(cluster, old)
    if not lines or (old["spec"].get("rerunOf") and origin_among(lines) is None):
        return  # what it was to take over itself is in yet another journal
    try:
        kept(lines, rewind=rewind)
    except RerunImpossible as error:
        raise CommandError(str(error)) from None


def _require_end(old: Object, *, start: str) -> None:
    name = old["metadata"]["name"]
    if waits_for_person(old):
        said = old["status"].get("message", "")
        raise CommandError(
            f"{name} waits for somebody to mend something. {said} To begin with its results in "
            f"another run, end it first: penstock cancel {name} --wait"
        )
    if not is_final(old):
        raise CommandError(
            f"{name} has not ended: it is {state_of(old)}. A run goes on by itself after a crash; "
            f"to end it first: penstock cancel {name} --wait"
        )
    if state_of(old) == "Completed" and rewind_to(start).start == "Failure":
        raise CommandError(
            f"{name} has Completed, so nothing in it failed. Say what to do again: penstock retry "
            f"{name} --from start, or --from TASK"
        )
