"""The artifacts of a run: from its FlowRun, or from the files of a run on this machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.cli.errors import CommandError
from penstock.cli.moments import human_duration, parse_time
from penstock.cli.output import Format, console, print_document, say

if TYPE_CHECKING:
    from rich.table import Table

    from penstock.cli.cluster import Cluster

Entry = dict[str, Any]


def artifacts_in_cluster(cluster: Cluster, run: str) -> list[Entry]:
    """Return what the runner reported of its artifacts; say so if that is not all."""
    from penstock.cli.view import current_execution

    execution = current_execution(cluster.get(cluster.path("flowruns", run)))
    entries: list[Entry] = execution.get("artifacts", [])
    made = execution.get("artifactCount", 0)
    if made > len(entries):
        say(f"These are the last {len(entries)} of {made} artifacts, one for each key.")
    return entries


def artifacts_here(run: str) -> list[Entry]:
    """Return the artifacts of a run on this machine, with their data, the latest at the end."""
    from penstock.drivers.recording import artifact_of, as_json, records_file
    from penstock.engine.keeping import Records
    from penstock.home import home

    path = records_file(home(), run, kind="artifacts")
    if not path.parent.exists():
        raise CommandError(
            f"There is no run {run} with artifacts in {path.parents[1]}: `penstock run FILE:FLOW` "
            "keeps them there, and so do other runs where PENSTOCK_HOME is set."
        )
    records = Records()
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        records.keep(artifact_of(json.loads(line)))
    latest = {each.key or each.id: each.id for each in records.artifacts}
    return [as_json(each) for each in records.artifacts if latest[each.key or each.id] == each.id]


def print_artifacts(entries: list[Entry], *, run: str, form: str) -> None:
    """Print the artifacts in a format."""
    if form != Format.TABLE:
        print_document(entries, form=form)
    elif not entries:
        say(f"The run {run} has kept no artifacts.")
    else:
        console().print(artifact_table(entries, now=datetime.now(UTC)))


def artifact_table(entries: list[Entry], *, now: datetime) -> Table:
    """Return the artifacts as a table like kubectl's."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("KEY", "TYPE", "TASK RUN", "AGE"):
        table.add_column(column, no_wrap=True)
    table.add_column("WHAT", no_wrap=True, overflow="ellipsis")
    for entry in entries:
        age = (now - parse_time(entry.get("at") or entry["updated"])).total_seconds()
        task_run = entry.get("taskRun") or str(entry.get("task_run_id") or "").partition("/")[2]
        table.add_row(
            entry.get("key") or "",
            entry.get("type") or "",
            task_run,
            human_duration(age),
            Text(_first_line(entry)),
        )
    return table


def _first_line(entry: Entry) -> str:
    text = entry.get("description") or entry.get("preview") or str(entry.get("data", ""))
    return next(iter(text.strip().splitlines()), "")
