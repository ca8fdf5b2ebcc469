"""The commands that say something to a run which waits, or make one wait."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.connection import connect
from penstock.cli.options import Context, Kubeconfig, Namespace, RunName, RunNames, target_of
from penstock.cli.output import Document

SignalName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Of the signal, if not the one waited for.")
]
Payload = Annotated[
    str | None,
    typer.Option(metavar="VALUE", help="What to say: JSON where it is JSON, else text."),
]
Key = Annotated[str | None, typer.Option(help="Of several signals with one key the first counts.")]
Here = Annotated[
    bool, typer.Option("--here", help="The run is one of this machine, not of the cluster.")
]
Comment = Annotated[str, typer.Option(help="What to say about it.")]


def signal(
    ctx: typer.Context,
    run: RunName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the run waits for.")],
    payload: Payload = None,
    key: Key = None,
    here: Here = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Send a signal to a run."""
    from penstock.cli.signals import read_payload, send_signal

    if here:
        from penstock.cli.local_signals import send_here

        send_here(run, name, payload=read_payload(payload), key=key)
        print(f"sent to {run}: {name}", flush=True)
        return
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    sent = send_signal(cluster, run, name, payload=read_payload(payload), key=key)
    print(f"{sent} sent to {run}: {name}", flush=True)


def update(
    ctx: typer.Context,
    run: RunName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the run waits for.")],
    payload: Payload = None,
    key: Key = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="How long to wait for the answer, if not for ever."),
    ] = None,
    here: Here = False,
    output: Annotated[Document, typer.Option("-o", "--output", help="Format.")] = Document.JSON,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Send a signal to a run, and print what the run answers.

    Exits with 1 if the run rejects it, with 124 if it has not answered in time.
    """
    from penstock.cli.output import print_document
    from penstock.cli.signals import await_answer, read_payload, send_signal

    said = read_payload(payload)
    if here:
        from penstock.cli.local_signals import answer_here, send_here

        sent = send_here(run, name, payload=said, key=key)
        answer = answer_here(run, sent, timeout=timeout)
    else:
        cluster = connect(target_of(ctx, namespace, context, kubeconfig))
        sent = send_signal(cluster, run, name, payload=said, key=key)
        answer = await_answer(cluster, sent, run=run, timeout=timeout)
    print_document(answer, form=output)


def approve(
    ctx: typer.Context,
    run: RunName,
    name: SignalName = None,
    comment: Comment = "",
    here: Here = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Approve what a run waits for."""
    from penstock.cli.signals import answer

    if here:
        _answer_here(run, name, approved=True, comment=comment)
        return
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    answer(cluster, run, name, approved=True, comment=comment)


def reject(
    ctx: typer.Context,
    run: RunName,
    name: SignalName = None,
    comment: Comment = "",
    here: Here = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Reject what a run waits for."""
    from penstock.cli.signals import answer

    if here:
        _answer_here(run, name, approved=False, comment=comment)
        return
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    answer(cluster, run, name, approved=False, comment=comment)


def _answer_here(run: str, name: str | None, *, approved: bool, comment: str) -> None:
    from penstock.cli.errors import CommandError
    from penstock.cli.local_signals import send_here

    if name is None:
        word = "approve" if approved else "reject"
        raise CommandError(f"Say which signal is meant: penstock {word} --here {run} NAME")
    send_here(run, name, payload={"approved": approved, "comment": comment}, key=None)
    print(f"sent to {run}: {name}", flush=True)


def suspend(
    ctx: typer.Context,
    runs: RunNames,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Suspend runs: they leave their pods, and keep what they have finished."""
    from penstock.cli.suspending import suspend_runs

    suspend_runs(connect(target_of(ctx, namespace, context, kubeconfig)), runs)


def resume(
    ctx: typer.Context,
    runs: RunNames,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Go on although the flow no longer makes the calls that it made."
        ),
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let runs go on that are suspended, or wait for somebody to mend something."""
    from penstock.cli.suspending import resume_runs

    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    resume_runs(cluster, runs, accept=accept)
