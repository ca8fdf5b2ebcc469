"""Where a rerun begins, as it is typed; and the run of this machine that is left behind for it."""

from __future__ import annotations

from penstock.cli.errors import CommandError
from penstock.cli.local_journals import local_chain
from penstock.cli.local_runs import LocalRuns, RunRow
from penstock.errors import RerunImpossible
from penstock.journal.reruns import Rewind, kept
from penstock.runner.exits import OF_STATE


def rewind_to(start: str) -> Rewind:
    """Return what was typed after ``--from``: failure, start, or the name of a task."""
    match start.lower():
        case "failure":
            return Rewind()
        case "start":
            return Rewind(start="Start")
    return Rewind(start="Task", task=start)


def leave_behind(row: RunRow, start: str, *, runs: LocalRuns) -> None:
    """End a run with whose journal another one begins elsewhere; refuse what cannot be."""
    from penstock.journal.records import lines_in

    if runs.is_alive(row):
        raise CommandError(f"The run {row.id} is running; stop it first, with Ctrl-C.")
    lines = lines_in(local_chain(row, runs=runs).read())
    try:
        kept(lines, rewind=rewind_to(start))
    except RerunImpossible as error:
        raise CommandError(str(error)) from None
    if row.state not in OF_STATE:
        words = f"Another run goes on with its journal, from {start}."
        runs.note(row.id, state="Cancelled", progress=row.progress, message=words)
