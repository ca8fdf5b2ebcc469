"""`penstock run`: in the cluster by a flow's name, or here by FILE:FLOW."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.completion import complete_flow
from penstock.cli.connection import connect
from penstock.cli.errors import CommandError
from penstock.cli.options import Context, Kubeconfig, Namespace, target_of
from penstock.cli.output import Document
from penstock.cli.parameters import read_parameters

HERE = "Runs on this machine"
THERE = "Runs in the cluster"


def run(
    ctx: typer.Context,
    flow: Annotated[
        str | None,
        typer.Argument(
            metavar="FLOW | FILE:FLOW",
            help="A flow in the cluster by its name, or one in a file, to run here.",
            autocompletion=complete_flow,
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            metavar="NAME=VALUE",
            help="A parameter: JSON where the value is JSON, else text. Repeat it for more.",
        ),
    ] = None,
    params: Annotated[
        str | None, typer.Option(metavar="JSON", help="Parameters as one JSON object.")
    ] = None,
    exit_on_wait: Annotated[
        bool,
        typer.Option(
            "--exit-on-wait",
            help="Suspend the run when all it does is to wait, for longer than a minute.",
            rich_help_panel=HERE,
        ),
    ] = False,
    timeout: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=1, help="How long the run may take.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Watch the run to its end.", rich_help_panel=THERE)
    ] = False,
    queue: Annotated[
        str | None,
        typer.Option(
            help="Queue of the pool in which it waits, if not its flow's.", rich_help_panel=THERE
        ),
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            min=-1000,
            max=1000,
            help="Runs of a higher one go first in their queue; 0, if not said.",
            rich_help_panel=THERE,
        ),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name of a new run here.", rich_help_panel=HERE)
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Go on with a run here; what it has finished is not done again.",
            rich_help_panel=HERE,
        ),
    ] = None,
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="PENSTOCK_JOURNAL",
            help="Where a new run here keeps its journal: a folder or s3://BUCKET/FOLDER, instead "
            "of PENSTOCK_HOME.",
            rich_help_panel=HERE,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="WHERE",
            help="Resume as a new run that does again: start, or a task by its name, with what "
            "came after it.",
            rich_help_panel=HERE,
        ),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Resume although the flow no longer makes the calls that it made.",
            rich_help_panel=HERE,
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Take a run over that is running.", rich_help_panel=HERE),
    ] = False,
    output: Annotated[
        Document | None,
        typer.Option("-o", "--output", help="Print the run, or the result of a run here."),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Run a flow: in the cluster by its name, or here by FILE:FLOW."""
    parameters = read_parameters(parameter or (), document=params)
    target = target_of(ctx, namespace, context, kubeconfig)
    if resume is not None or (flow is not None and _is_local(flow)):
        if watch or queue or priority is not None or target.is_named:
            raise CommandError(
                f"{flow or resume} runs here and is shown while it runs; leave --watch, --queue, "
                "--priority, --namespace, --context and --kubeconfig out."
            )
        from penstock.cli.orders import Order
        from penstock.cli.run_local import run_here

        if resume is None and start is not None:
            raise CommandError("--from says where a run begins that is resumed: --resume ID.")
        if resume is None and (accept or force):
            raise CommandError("--accept and --force are about a run that is resumed: --resume ID.")
        if resume is not None and (parameters or run_id):
            raise CommandError(
                f"{resume} goes on under its name, with the parameters that it has; leave -p, "
                "--params and --run-id out. Other parameters are a run of their own: "
                "penstock run FILE:FLOW -p NAME=VALUE"
            )
        order = Order(
            entrypoint=flow,
            parameters=parameters,
            run_id=run_id,
            resume=resume,
            journal=journal,
            force=force,
            accept=accept,
            start=start,
            exit_on_wait=exit_on_wait,
            timeout_seconds=timeout,
            form=output,
        )
        raise typer.Exit(run_here(order))
    if flow is None:
        raise CommandError("Say what to run: penstock run FILE:FLOW, or a flow in the cluster.")
    if run_id or force or accept or start or exit_on_wait:
        raise CommandError(
            "--run-id, --force, --accept, --from and --exit-on-wait are of runs here: penstock "
            "run FILE:FLOW."
        )

    from penstock.cli.run_cluster import create_run
    from penstock.cli.watch import show_created

    cluster = connect(target)
    created = create_run(
        cluster,
        flow,
        parameters=parameters,
        timeout_seconds=timeout,
        queue=queue,
        priority=priority,
    )
    raise typer.Exit(show_created(created, cluster, form=output, watch=watch))


def _is_local(flow: str) -> bool:
    if ":" in flow:
        return True
    if flow.endswith(".py") or Path(flow).is_file():
        raise CommandError(f"Say which flow of the file: penstock run {flow}:FLOW")
    return False
