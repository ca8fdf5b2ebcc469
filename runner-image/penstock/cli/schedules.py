"""`penstock schedule`: the Schedules of the cluster, seen and changed from the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from penstock.cli.backfills import backfill, give_up
from penstock.cli.cluster import Object
from penstock.cli.connection import connect
from penstock.cli.moments import parse_time, wire_time
from penstock.cli.options import Context, Kubeconfig, Namespace, ScheduleName, target_of
from penstock.cli.output import (
    Document,
    Format,
    console,
    listed,
    print_document,
    say,
    without_bookkeeping,
)
from penstock.cli.schedule_objects import change_schedule, read_schedule, ready_condition, zone_in
from penstock.cli.ticks import print_ticks

schedules = typer.Typer(
    no_args_is_help=True, help="See and change the schedules of the cluster: suspend, backfill, …"
)


@schedules.command(name="list")
def list_schedules(
    ctx: typer.Context,
    output: Annotated[Format, typer.Option("-o", "--output", help="Format.")] = Format.TABLE,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List schedules, with what they did and what they do next."""
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    found = cluster.items(cluster.path("schedules"))
    if output != Format.TABLE:
        print_document(listed(map(without_bookkeeping, found)), form=output)
    elif not found:
        say(f"No schedules in the namespace {cluster.namespace}.")
    else:
        _print_table(found)


@schedules.command(name="next")
def next_of_schedule(
    ctx: typer.Context,
    schedule: ScheduleName,
    output: Annotated[
        Document | None, typer.Option("-o", "--output", help="Format, if not a table.")
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print the next moments of a schedule, as the operator sees them."""
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    found = read_schedule(cluster, schedule)
    status = found.get("status", {})
    upcoming, zone = status.get("nextTicks", []), zone_in(found)
    if output is not None:
        print_document({"timeZone": zone.key, "ticks": upcoming}, form=output)
    elif not upcoming:
        why = ready_condition(found).get("message", "nobody looked yet")
        say(f"No run of {schedule} is due: {why}")
    else:
        title = f"{status.get('schedule', schedule)} ({zone.key})"
        print_ticks(map(parse_time, upcoming), zone=zone, title=title, now=datetime.now(UTC))


@schedules.command()
def suspend(
    ctx: typer.Context,
    schedule: ScheduleName,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let a schedule make no runs; what is due meanwhile is counted as skipped."""
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    change_schedule(cluster, schedule, {"suspend": True})
    print(f"{schedule} is suspended")


@schedules.command()
def resume(
    ctx: typer.Context,
    schedule: ScheduleName,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let a schedule go on."""
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    change_schedule(cluster, schedule, {"suspend": False})
    print(f"{schedule} goes on")


@schedules.command()
def trigger(
    ctx: typer.Context,
    schedule: ScheduleName,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make one run of a schedule now, whatever goes on."""
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    now = datetime.now(UTC)
    change_schedule(cluster, schedule, {"triggerAt": wire_time(now)})
    print(f"{schedule}-{now:%Y%m%d%H%M%S} is being made")


schedules.command()(backfill)
schedules.command(name="give-up")(give_up)


def _print_table(found: list[Object]) -> None:
    from rich.table import Table

    columns = ("NAME", "FLOW", "SCHEDULE", "TIMEZONE", "LAST", "NEXT", "ACTIVE", "STARTED")
    table = Table(*columns, "SKIPPED", "READY", box=None, pad_edge=False)
    for each in found:
        spec, status = each["spec"], each.get("status", {})
        table.add_row(
            each["metadata"]["name"],
            spec["flowRef"]["name"],
            status.get("schedule", "-"),
            spec.get("timeZone", "UTC"),
            status.get("lastTick", "-"),
            next(iter(status.get("nextTicks", [])), "-"),
            str(status.get("activeRuns", 0)),
            str(status.get("started", 0)),
            _skipped(status),
            "Suspended" if spec.get("suspend") else ready_condition(each).get("reason", "-"),
        )
    console().print(table)


def _skipped(status: Object) -> str:
    counts = status.get("skipped") or {}
    return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "-"
