"""The runs of a namespace, or of all: a table for people, the objects for machines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.cli.cluster import Cluster, Object, penstock_path
from penstock.cli.moments import human_duration, parse_time
from penstock.cli.outcome import state_of
from penstock.cli.output import Format, console, listed, print_document, say, without_bookkeeping

if TYPE_CHECKING:
    from rich.table import Table


def find_runs(
    cluster: Cluster,
    *,
    flow: str | None,
    state: str | None,
    everywhere: bool,
    parent: str | None = None,
) -> list[Object]:
    """Return the runs asked for, the newest first; the API server selects them."""
    fields = {"spec.flowRef.name": flow, "status.state": state}
    selector = ",".join(f"{field}={value}" for field, value in fields.items() if value)
    namespace = None if everywhere else cluster.namespace
    query = {"fieldSelector": selector} if selector else {}
    if parent is not None:
        query["labelSelector"] = f"penstock.dev/parent={parent}"
    runs = cluster.items(penstock_path("flowruns", namespace=namespace), **query)
    return sorted(runs, key=lambda run: run["metadata"]["creationTimestamp"], reverse=True)


def print_runs(runs: list[Object], *, form: str, everywhere: bool, place: str) -> None:
    """Print the runs in a format."""
    if form != Format.TABLE:
        kinds = {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun"}
        print_document(listed(kinds | without_bookkeeping(run) for run in runs), form=form)
    elif not runs:
        say(f"No such runs in {'any namespace' if everywhere else f'the namespace {place}'}.")
    else:
        screen = console()
        screen.print(run_table(runs, everywhere=everywhere, now=datetime.now(UTC)))


def run_table(runs: list[Object], *, everywhere: bool, now: datetime) -> Table:
    """Return the runs as a table like kubectl's, with the states in their colours."""
    from rich.table import Table
    from rich.text import Text

    from penstock.cli.view import STYLES, duration_of, origin_of

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    columns = ("NAMESPACE",) if everywhere else ()
    related = any(origin_of(run) for run in runs)
    for column in (*columns, "NAME", "FLOW", "STATE", "TASKS", "ATTEMPT", "DURATION", "AGE"):
        table.add_column(column, no_wrap=True)
    if related:
        table.add_column("FROM", no_wrap=True)
    for run in runs:
        metadata, status, state = run["metadata"], run.get("status", {}), state_of(run)
        age = (now - parse_time(metadata["creationTimestamp"])).total_seconds()
        table.add_row(
            *((metadata["namespace"],) if everywhere else ()),
            metadata["name"],
            run["spec"]["flowRef"]["name"],
            Text(state, STYLES.get(state, "")),
            status.get("execution", {}).get("progress", ""),
            str(status.get("attempt", "")),
            duration_of(run, now=now) if status.get("startedAt") else "",
            human_duration(age),
            *((origin_of(run),) if related else ()),
        )
    return table
