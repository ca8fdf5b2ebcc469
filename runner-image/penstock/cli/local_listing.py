"""The runs of this machine as a table for people, or as a document for machines."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from penstock.cli.local_runs import LocalRuns, RunRow
from penstock.cli.moments import human_duration, parse_time
from penstock.cli.output import Format, console, print_document, say
from penstock.home import home

INTERRUPTED = "Interrupted"
"""The state of a run that nobody has ended and no process holds."""


def print_local_run(run: str, *, form: str) -> None:
    """Print one run and what it has published."""
    from penstock.cli.values import print_value_table, values_here

    runs = LocalRuns(home())
    row = runs.find(run)
    state, values = _state_of(row, runs=runs), values_here(run)
    if form != Format.TABLE:
        print_document(asdict(row) | {"state": state, "values": values}, form=form)
        return
    _print_table([(row, state)])
    if row.message:
        console().print(f"\n{row.message}", markup=False)
    if values:
        console().print()
        print_value_table(values)


def print_local_runs(*, form: str) -> None:
    """Print the runs in a format."""
    runs = LocalRuns(home())
    states = [(row, _state_of(row, runs=runs)) for row in runs.all()]
    if form != Format.TABLE:
        print_document([asdict(row) | {"state": state} for row, state in states], form=form)
    elif not states:
        say(f"There are no runs in {home()} yet: penstock run FILE:FLOW")
    else:
        _print_table(states)


def _state_of(row: RunRow, *, runs: LocalRuns) -> str:
    return INTERRUPTED if row.state == "Running" and not runs.is_alive(row) else row.state


def _print_table(states: list[tuple[RunRow, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from penstock.cli.view import STYLES

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("NAME", "FLOW", "STATE", "TASKS", "ATTEMPT", "AGE"):
        table.add_column(column, no_wrap=True)
    for row, state in states:
        age = (datetime.now(UTC) - parse_time(row.created)).total_seconds()
        table.add_row(
            row.id,
            row.flow,
            Text(state, STYLES.get(state, "yellow")),
            row.progress,
            str(row.attempts),
            human_duration(age),
        )
    console().print(table)
