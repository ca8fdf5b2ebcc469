"""The commands and their options. What they do stands in the modules they call, imported late."""

from __future__ import annotations

import platform
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from penstock.cli.completion import complete_flow, complete_run
from penstock.cli.connection import Target, connect
from penstock.cli.errors import CommandError
from penstock.cli.limits import limits
from penstock.cli.outcome import RunState
from penstock.cli.output import Document, Format, print_document, print_object, say
from penstock.cli.parameters import read_parameters

if TYPE_CHECKING:
    from penstock.cli.cluster import Cluster


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

app.add_typer(limits, name="limit")

PANEL = "Cluster"
HERE = "Runs on this machine"
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
Output = Annotated[
    Document | None, typer.Option("-o", "--output", help="Print the whole run at its end.")
]


ABOUT = """Run Python flows, here or in Kubernetes, and see how they go.

Commands that see a run end exit with 0 if it Completed, 1 if it Failed, 3 if it Crashed and 4 if \
it was Cancelled; with 2 if they cannot do what was typed."""


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
        bool, typer.Option("--watch", help="Watch the run in the cluster to its end.")
    ] = False,
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
    target = _target(ctx, namespace, context, kubeconfig)
    if resume is not None or (flow is not None and _is_local(flow)):
        from penstock.cli.run_local import Order, run_here

        if watch or target.is_named:
            raise CommandError(
                f"{flow or resume} runs here and is shown while it runs; leave --watch, "
                "--namespace, --context and --kubeconfig out."
            )
        order = Order(
            entrypoint=flow,
            parameters=parameters,
            run_id=run_id,
            resume=resume,
            force=force,
            exit_on_wait=exit_on_wait,
            timeout_seconds=timeout,
            form=output,
        )
        raise typer.Exit(run_here(order))
    if flow is None:
        raise CommandError("Say what to run: penstock run FILE:FLOW, or a flow in the cluster.")
    if run_id or force or exit_on_wait:
        raise CommandError(
            "--run-id, --force and --exit-on-wait are of runs here: penstock run FILE:FLOW."
        )
    from penstock.cli.run_cluster import create_run

    cluster = connect(target)
    created = create_run(cluster, flow, parameters=parameters, timeout_seconds=timeout)
    name = created["metadata"]["name"]
    if output is None:
        print(name, flush=True)
    elif not watch:
        print_object(created, form=output)
    if watch:
        if output is not None:
            say(f"run {name}")
        raise typer.Exit(_watch(cluster, name, form=output, stderr=True))


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
    cluster = connect(_target(ctx, namespace, context, kubeconfig))
    raise typer.Exit(_watch(cluster, run, form=output))


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

    cluster = connect(_target(ctx, namespace, context, kubeconfig))
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

    cluster = connect(_target(ctx, namespace, context, kubeconfig))
    runs = find_runs(cluster, flow=flow, state=state, everywhere=everywhere)
    print_runs(runs, form=output, everywhere=everywhere, place=cluster.namespace)


@app.command(name="runs")
def local_runs(
    output: Annotated[Format, typer.Option("-o", "--output", help="Format.")] = Format.TABLE,
) -> None:
    """List the runs of this machine, the newest first."""
    from penstock.cli.local_listing import print_local_runs

    print_local_runs(form=output)


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
        cluster = connect(_target(ctx, namespace, context, kubeconfig))
        entries = artifacts_in_cluster(cluster, run)
    print_artifacts(entries, run=run, form=output)


@app.command()
def cancel(
    ctx: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Names of the runs.", autocompletion=complete_run),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until they have ended.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Cancel runs; their flows may clean up first."""
    from penstock.cli.cancel import cancel_runs

    cancel_runs(connect(_target(ctx, namespace, context, kubeconfig)), runs, wait=wait)


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
    at: Annotated[
        str | None,
        typer.Option(
            "--entrypoint",
            metavar="FILE:FLOW",
            help="Where the flow is in the image, if not at the file's path from the nearest "
            "Dockerfile's folder, or else from the working directory.",
        ),
    ] = None,
    output: Annotated[Document, typer.Option("-o", "--output", help="Format.")] = Document.YAML,
) -> None:
    """Write the Flow object of a Python flow, for `kubectl apply` and for git."""
    from penstock.cli.render import Rendering, flow_manifest
    from penstock.cli.run_local import load

    if not (image or inline):
        raise CommandError(
            "Say where the code is: in an image (--image REFERENCE), or in the Flow "
            "itself (--inline)."
        )
    if at and inline:
        raise CommandError("With --inline the file is in the Flow itself; leave --entrypoint out.")
    options = Rendering(
        image=image, name=name, namespace=namespace, pool=pool, entrypoint=at, inline=inline
    )
    with redirect_stdout(sys.stderr):  # what the file prints when it is imported is no YAML
        flow = load(entrypoint)
    print_document(flow_manifest(flow, typed=entrypoint, options=options), form=output)


@app.command()
def version() -> None:
    """Print the versions of Penstock and Python."""
    from penstock._version import __version__

    print(f"penstock {__version__} (Python {platform.python_version()})")


def _target(
    ctx: typer.Context, namespace: str | None, context: str | None, kubeconfig: str | None
) -> Target:
    before: Target = ctx.obj
    return before.narrowed_by(Target(namespace=namespace, context=context, kubeconfig=kubeconfig))


def _is_local(flow: str) -> bool:
    if ":" in flow:
        return True
    if flow.endswith(".py") or Path(flow).is_file():
        raise CommandError(f"Say which flow of the file: penstock run {flow}:FLOW")
    return False


def _watch(cluster: Cluster, name: str, *, form: Document | None, stderr: bool = False) -> int:
    from penstock.cli.watch import watch_run

    return watch_run(cluster, name, form=form, stderr=stderr)
