"""The commands and their options. What they do stands in the modules they call, imported late."""

from __future__ import annotations

import platform
import sys
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from penstock.cli.completion import complete_flow
from penstock.cli.connection import Target, connect
from penstock.cli.errors import CommandError
from penstock.cli.limits import limits
from penstock.cli.options import (
    Context,
    Kubeconfig,
    Namespace,
    Output,
    RunName,
    RunNames,
    target_of,
)
from penstock.cli.outcome import RunState
from penstock.cli.output import Document, Format, print_documents, say
from penstock.cli.pruning import prune
from penstock.cli.render import ConcurrencyLimitStrategy
from penstock.cli.replaying import export, replay
from penstock.cli.retrying import retry
from penstock.cli.running import run
from penstock.cli.schedules import schedules
from penstock.cli.talking import approve, reject, resume, signal, suspend, update
from penstock.cli.ticks import next_runs


class Program(TyperGroup):
    """Ends with a sentence and an exit code where a command cannot go on."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            say(str(error))
            raise typer.Exit(error.exit_code) from error


app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(run)
app.command()(retry)
app.command()(export)
app.command()(replay)
app.command()(prune)
for command in (signal, update, approve, reject, suspend, resume):
    app.command(rich_help_panel="Runs that wait")(command)
app.command(name="next")(next_runs)
app.add_typer(limits, name="limit")
app.add_typer(schedules, name="schedule")


ABOUT = """Run Python flows, here or in Kubernetes, and see how they go.

Commands that see a run end exit with 0 if it Completed, 1 if it Failed, 3 if it Crashed, 4 if it \
was Cancelled and 5 if a run here was suspended; with 2 if they cannot do what was typed."""


@app.callback(help=ABOUT)
def penstock(
    ctx: typer.Context,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Keep what was given before the command; the same options after it go first."""
    ctx.obj = Target(namespace=namespace, context=context, kubeconfig=kubeconfig)


@app.command()
def watch(
    ctx: typer.Context,
    run: RunName,
    output: Output = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show a run and its tasks until it ends."""
    from penstock.cli.watch import watch_run

    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    raise typer.Exit(watch_run(cluster, run, form=output))


@app.command()
def logs(
    ctx: typer.Context,
    run: RunName,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the run ends, over all attempts.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="Which attempt, if not the latest.")
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print what a run has printed."""
    from penstock.cli.logs import LogReader

    def write(chunk: bytes) -> None:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()

    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    reader = LogReader(cluster, run, write=write)
    if follow:
        reader.follow(attempt=attempt)
    else:
        reader.read(attempt=attempt)


@app.command(name="list")
def list_runs(
    ctx: typer.Context,
    flow: Annotated[
        str | None, typer.Option(help="Only runs of this flow.", autocompletion=complete_flow)
    ] = None,
    state: Annotated[
        RunState | None, typer.Option(case_sensitive=False, help="Only runs in this state.")
    ] = None,
    parent: Annotated[
        str | None, typer.Option(metavar="RUN", help="Only children of this run.")
    ] = None,
    everywhere: Annotated[
        bool, typer.Option("-A", "--all-namespaces", help="Runs of all namespaces.")
    ] = False,
    output: Annotated[Format, typer.Option("-o", "--output", help="Format.")] = Format.TABLE,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List runs, the newest first."""
    from penstock.cli.listing import find_runs, print_runs

    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    runs = find_runs(cluster, flow=flow, state=state, everywhere=everywhere, parent=parent)
    print_runs(runs, form=output, everywhere=everywhere, place=cluster.namespace)


@app.command(name="runs")
def local_runs(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Only this one, with what it has published."),
    ] = None,
    output: Annotated[Format, typer.Option("-o", "--output", help="Format.")] = Format.TABLE,
) -> None:
    """List the runs of this machine, the newest first."""
    from penstock.cli.local_listing import print_local_run, print_local_runs

    if run is None:
        print_local_runs(form=output)
    else:
        print_local_run(run, form=output)


@app.command()
def artifacts(
    ctx: typer.Context,
    run: RunName,
    local: Annotated[
        bool, typer.Option("--local", help="A run on this machine, which kept them in files.")
    ] = False,
    output: Annotated[Format, typer.Option("-o", "--output", help="Format.")] = Format.TABLE,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the artifacts that a run has kept, the latest at the end."""
    from penstock.cli.artifacts import artifacts_here, artifacts_in_cluster, print_artifacts

    if local:
        entries = artifacts_here(run)
    else:
        cluster = connect(target_of(ctx, namespace, context, kubeconfig))
        entries = artifacts_in_cluster(cluster, run)
    print_artifacts(entries, run=run, form=output)


@app.command()
def values(
    ctx: typer.Context,
    run: RunName,
    output: Annotated[Format, typer.Option("-o", "--output", help="Format.")] = Format.TABLE,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print what a run has published by set_state_value, the latest at the end."""
    from penstock.cli.values import print_values, values_in_cluster

    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    print_values(values_in_cluster(cluster, run), run=run, form=output)


@app.command()
def cancel(
    ctx: typer.Context,
    runs: RunNames,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until they have ended.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Cancel runs; their flows may clean up first."""
    from penstock.cli.cancel import cancel_runs

    cancel_runs(connect(target_of(ctx, namespace, context, kubeconfig)), runs, wait=wait)


@app.command()
def render(
    entrypoint: Annotated[
        str, typer.Argument(metavar="FILE:FLOW", help="The flow: flow.py:daily, or a.module:daily.")
    ],
    image: Annotated[
        str | None, typer.Option(metavar="REFERENCE", help="Image that the flow runs in.")
    ] = None,
    inline: Annotated[
        bool, typer.Option("--inline", help="Write the file into the Flow; it needs no image then.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name, if not the flow's own.")] = None,
    namespace: Annotated[
        str | None, typer.Option("-n", "--namespace", help="Namespace to write into it.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="Work pool, if not the one named 'default'.")
    ] = None,
    queue: Annotated[
        str | None, typer.Option(help="Queue of the pool, if not the one named 'default'.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--concurrency-limit", min=0, metavar="N", help="How many runs may be at work at once."
        ),
    ] = None,
    collision: Annotated[
        ConcurrencyLimitStrategy | None,
        typer.Option(
            "--collision-strategy",
            case_sensitive=False,
            help="What becomes of one run more than the limit: it waits (Enqueue), if not said.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--entrypoint",
            metavar="FILE:FLOW",
            help="Where the flow is in the image, if not at the file's path from the nearest "
            "Dockerfile's folder, or else from the working directory.",
        ),
    ] = None,
    cron: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE", help="Write a Schedule, too: a cron line. Repeatable."),
    ] = None,
    rrule: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Likewise: a recurrence rule (FREQ=…)."),
    ] = None,
    interval: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Likewise: a run each so often.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            "--tz", "--timezone", metavar="ZONE", help="Whose clock they mean, if not UTC."
        ),
    ] = None,
    output: Annotated[Document, typer.Option("-o", "--output", help="Format.")] = Document.YAML,
) -> None:
    """Write the Flow object of a Python flow, and its Schedules, for `kubectl apply` and git."""
    from penstock.cli.render import ConcurrencyLimitConfig, Rendering, flow_manifest
    from penstock.cli.run_local import load
    from penstock.cli.schedule_manifests import read_schedules, schedule_manifests

    if not (image or inline):
        raise CommandError(
            "Say where the code is: in an image (--image REFERENCE), or in the Flow "
            "itself (--inline)."
        )
    if at and inline:
        raise CommandError("With --inline the file is in the Flow itself; leave --entrypoint out.")
    if collision is not None and limit is None:
        raise CommandError(
            "--collision-strategy is about runs beyond a limit; say it by --concurrency-limit N."
        )
    if timezone is not None and not (cron or rrule):
        raise CommandError(
            "--tz says whose clock --cron and --rrule mean; give one of these, or leave it out."
        )
    options = Rendering(
        image=image,
        name=name,
        namespace=namespace,
        pool=pool,
        queue=queue,
        concurrency=None
        if limit is None
        else ConcurrencyLimitConfig(limit, collision or ConcurrencyLimitStrategy.ENQUEUE),
        entrypoint=at,
        inline=inline,
    )
    with redirect_stdout(sys.stderr):  # what the file prints when it is imported is no YAML
        flow = load(entrypoint)
    manifest = flow_manifest(flow, typed=entrypoint, options=options)
    wanted = read_schedules(cron or (), rrule or (), interval, zone=timezone or "UTC")
    print_documents([manifest, *schedule_manifests(wanted, flow=manifest["metadata"])], form=output)


@app.command()
def version() -> None:
    """Print the versions of Penstock and Python."""
    from penstock._version import __version__

    print(f"penstock {__version__} (Python {platform.python_version()})")
