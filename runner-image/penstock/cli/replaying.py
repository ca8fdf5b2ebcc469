"""`penstock export` and `penstock replay`."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.connection import connect
from penstock.cli.errors import CommandError
from penstock.cli.options import Context, Kubeconfig, Namespace, RunName, target_of
from penstock.cli.output import console, say
from penstock.errors import JournalError

if TYPE_CHECKING:
    from penstock.replaying import Replayed


def export(
    ctx: typer.Context,
    run: RunName,
    here: Annotated[bool, typer.Option("--here", help="A run on this machine.")] = False,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL|FOLDER", help="Where the store of the run's pool is from here."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Instead of stdout.")
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Write a run's journal as JSON, for `penstock replay`. It holds the run's results."""
    from penstock.cli.journals import export_from_cluster, export_here

    if here:
        listed = export_here(run)
    else:
        cluster = connect(target_of(ctx, namespace, context, kubeconfig))
        listed = export_from_cluster(cluster, run, store=store)
    text = json.dumps(listed, indent=1, ensure_ascii=False)
    if output is None:
        print(text)
    else:
        output.write_text(f"{text}\n", encoding="utf-8")


def replay(
    journal: Annotated[
        str,
        typer.Argument(metavar="JOURNAL", help="A file that was exported, or a run of this home."),
    ],
    entrypoint: Annotated[str, typer.Argument(metavar="FILE:FLOW", help="The code to try.")],
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="Which, if the file has several.")
    ] = None,
) -> None:
    """Tell whether a flow's code would find what a run has recorded; exit with 1 if not.

    No task runs: what the journal does not have is waited for until nothing else goes on.
    """
    from penstock.cli.journals import records_of
    from penstock.cli.run_local import load
    from penstock.replaying import replay_records

    records = records_of(journal, run=run)
    with redirect_stdout(sys.stderr):  # what the flow prints is none of the table
        flow = load(entrypoint)
        try:
            replayed = replay_records(flow, records)
        except JournalError as error:
            raise CommandError(str(error)) from error
    _print(replayed)
    for name in replayed.unkept:
        say(f"Nothing can be seen beyond {name}: the journal does not keep its results.")
    for problem in replayed.problems:
        say(problem)
    if replayed.problems:
        raise typer.Exit(1)


def _print(replayed: Replayed) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("CALL", "FOUND", "WOULD RUN"):
        table.add_column(column)
    for name in dict.fromkeys([*replayed.found, *replayed.waiting]):
        found, waiting = replayed.found.get(name, 0), replayed.waiting.get(name, 0)
        table.add_row(name, str(found), str(waiting))
    console().print(table)
