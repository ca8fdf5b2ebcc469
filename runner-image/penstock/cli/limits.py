"""`penstock limit`: the limits of `concurrency` and `rate_limit`, here or in a namespace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from penstock.cli.cluster import Cluster
from penstock.cli.connection import Target
from penstock.cli.errors import CommandError
from penstock.cli.options import Context, Kubeconfig, Namespace, target_of
from penstock.cli.output import Document, console, print_document

limits = typer.Typer(
    no_args_is_help=True,
    help="Limit what flows do at once, or how often: on this machine, or in the cluster by "
    "`kubectl penstock limit` and wherever a namespace, context or kubeconfig is named.",
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As in concurrency('NAME').")]


@limits.command(name="set")
def set_limit(
    ctx: typer.Context,
    name: Name,
    slots: Annotated[int, typer.Argument(metavar="NUMBER", min=0, help="How many slots it has.")],
    decay: Annotated[
        float | None,
        typer.Option(
            metavar="SLOTS",
            min=0.0,
            help="Slots that come back each second, for rate_limit; 0 for none. As before if not "
            "given.",
        ),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Set a limit, or change the slots of one that there is."""
    from penstock.concurrency.limits import Limit, read_limits
    from penstock.concurrency.limits import set_limit as keep

    with _sentences():
        if (cluster := _cluster(ctx, namespace, context, kubeconfig)) is None:
            if decay is None:
                decay = known.decay if (known := read_limits().get(name)) else 0.0
            keep(Limit(name=name, slots=slots, decay=decay))
            return
    from penstock.cli import cluster_limits

    print(f"concurrencylimit/{cluster_limits.set_limit(cluster, name, slots, decay=decay)} is set")


@limits.command(name="list")
def list_limits(
    ctx: typer.Context,
    output: Annotated[
        Document | None, typer.Option("-o", "--output", help="Format, if not a table.")
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the limits, what is taken of them, and how many wait."""
    cluster = _cluster(ctx, namespace, context, kubeconfig)
    if cluster is None:
        rows = _local_rows()
    else:
        from penstock.cli.cluster_limits import limit_rows

        rows = limit_rows(cluster)
    if output is not None:
        print_document(rows, form=output)
        return
    from rich.table import Table

    table = Table("NAME", "LIMIT", "TAKEN", "WAITING", "DECAY", box=None, pad_edge=False)
    for row in rows:
        decay = f"{row['decay']:g}/s" if row["decay"] else "-"
        table.add_row(
            str(row["name"]), str(row["limit"]), f"{row['taken']:g}", str(row["waiting"]), decay
        )
    console().print(table)


@limits.command()
def delete(
    ctx: typer.Context,
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Delete a limit; nothing waits for its name any more."""
    from penstock.cli import cluster_limits
    from penstock.concurrency.limits import delete_limit

    if (cluster := _cluster(ctx, namespace, context, kubeconfig)) is not None:
        known, listing = cluster_limits.delete_limit(cluster, name), "kubectl penstock limit list"
    else:
        with _sentences():
            known, listing = delete_limit(name), "penstock limit list"
    if not known:
        raise CommandError(f"There is no limit {name}; see: {listing}")


def _cluster(
    ctx: typer.Context, namespace: str | None, context: str | None, kubeconfig: str | None
) -> Cluster | None:
    """Return the cluster that is meant, or none where the limits of this machine are."""
    target = target_of(ctx, namespace, context, kubeconfig)
    is_plugin = (ctx.find_root().info_name or "").startswith("kubectl")
    if not is_plugin and target == Target():
        return None
    from penstock.cli.connection import connect

    return connect(target)


def _local_rows() -> list[dict[str, Any]]:
    from penstock.concurrency.limits import limits_file, read_limits
    from penstock.concurrency.slots import SlotStore

    with _sentences():
        known = read_limits()
    store = SlotStore(limits_file().with_name("slots.db"))
    taken, waiting = store.taken(known), store.waiting(known)
    return [
        {
            "name": limit.name,
            "limit": limit.slots,
            "taken": round(taken[limit.name], 3),
            "waiting": waiting[limit.name],
            "decay": limit.decay,
        }
        for limit in known.values()
    ]


@contextmanager
def _sentences() -> Iterator[None]:
    """End the command with a sentence where a limit, or the file, makes no sense."""
    from penstock.errors import PenstockError

    try:
        yield
    except (PenstockError, ValueError) as error:
        raise CommandError(str(error)) from error
