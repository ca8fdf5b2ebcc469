"""What a run has published: from its FlowRun, or from the files of a run on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from penstock.cli.output import Format, console, print_document, say

if TYPE_CHECKING:
    from penstock.cli.cluster import Cluster

Values = dict[str, Any]


def values_in_cluster(cluster: Cluster, run: str) -> Values:
    """Return what the run's last report shows, also while it has no pod."""
    from penstock.cli.following import read_run

    report = read_run(cluster, run).get("status", {}).get("execution", {})
    if unshown := report.get("unshownValues"):
        say(
            f"The run has published {unshown} more: its status shows values of up to 2 KiB, the "
            "last 50, 4 KiB in all."
        )
    values: Values = report.get("values", {})
    return values


def values_here(run: str) -> Values:
    """Return what a run on this machine has published, the latest at the end."""
    from penstock.drivers.recording import published_of, records_file
    from penstock.engine.keeping import Records
    from penstock.home import home

    path = records_file(home(), run, kind="values")
    records = Records()
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        records.keep(published_of(json.loads(line)))
    return {each.key: each.value for each in records.published}


def print_values(values: Values, *, run: str, form: str) -> None:
    """Print the values in a format."""
    if form != Format.TABLE:
        print_document(values, form=form)
    elif not values:
        say(f"The run {run} has published no values.")
    else:
        print_value_table(values)


def print_value_table(values: Values) -> None:
    """Print a line for each value, as JSON."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("KEY", no_wrap=True)
    table.add_column("VALUE", no_wrap=True, overflow="ellipsis")
    for key, value in values.items():
        table.add_row(key, Text(json.dumps(value, ensure_ascii=False)))
    console().print(table)
