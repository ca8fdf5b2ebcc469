"""`penstock retry`: a new run that goes on from where another one has stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.connection import connect
from penstock.cli.errors import CommandError
from penstock.cli.options import Context, Kubeconfig, Namespace, RunName, target_of
from penstock.cli.output import Document
from penstock.cli.parameters import read_parameters

FROM = "What to do again: failure, start, or a task by its name, with what came after it."


def retry(
    ctx: typer.Context,
    run: RunName,
    start: Annotated[str, typer.Option("--from", metavar="WHERE", help=FROM)] = "failure",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            metavar="NAME=VALUE",
            help="A parameter in the place of the run's.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "--watch", help="Watch the new run to its end.")
    ] = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Let the run itself go on although its flow no longer makes the calls that it "
            "made: the same as resume --accept.",
        ),
    ] = False,
    output: Annotated[
        Document | None, typer.Option("-o", "--output", help="Print the new run.")
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make a new run of what another one has left undone; what had finished is not done again."""
    from penstock.cli.reruns import create_rerun
    from penstock.cli.suspending import resume_runs
    from penstock.cli.watch import show_created

    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    if accept:
        if start != "failure" or parameter:
            raise CommandError("--accept lets the run itself go on; it begins nowhere else.")
        resume_runs(cluster, [run], accept=True)
        return
    created = create_rerun(cluster, run, start=start, parameters=read_parameters(parameter or ()))
    raise typer.Exit(show_created(created, cluster, form=output, watch=follow))
