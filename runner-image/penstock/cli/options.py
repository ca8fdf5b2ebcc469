"""Options that several commands take, and the cluster that they name together."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.completion import complete_run, complete_schedule
from penstock.cli.connection import Target
from penstock.cli.output import Document

PANEL = "Cluster"
Namespace = Annotated[
    str | None,
    typer.Option("-n", "--namespace", help="Instead of the context's.", rich_help_panel=PANEL),
]
Context = Annotated[
    str | None,
    typer.Option("--context", help="Instead of the current one.", rich_help_panel=PANEL),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option("--kubeconfig", help="Instead of KUBECONFIG's.", rich_help_panel=PANEL),
]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="Name of the run.", autocompletion=complete_run)
]
RunNames = Annotated[
    list[str],
    typer.Argument(metavar="RUN", help="Names of the runs.", autocompletion=complete_run),
]
ScheduleName = Annotated[
    str,
    typer.Argument(
        metavar="SCHEDULE", help="Name of the schedule.", autocompletion=complete_schedule
    ),
]
Output = Annotated[
    Document | None, typer.Option("-o", "--output", help="Print the whole run at its end.")
]


def target_of(
    ctx: typer.Context, namespace: str | None, context: str | None, kubeconfig: str | None
) -> Target:
    """Return which cluster is meant: what stands after the command goes first."""
    before: Target = ctx.obj
    return before.narrowed_by(Target(namespace=namespace, context=context, kubeconfig=kubeconfig))
