"""`penstock schedule`: the Schedules of the cluster, seen and changed from the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from penstock.cli.absence import named
from penstock.cli.cluster import Cluster, Object
from penstock.cli.completion import complete_schedule
from penstock.cli.connection import connect
from penstock.cli.errors import ApiError, CommandError
from penstock.cli.moments import parse_time, typed_moment, wire_time
from penstock.cli.options import Context, Kubeconfig, Namespace, target_of
from penstock.cli.output import (
    Document,
    Format,
    console,
    listed,
    print_document,
    say,
    without_bookkeeping,
)
from penstock.cli.ticks import print_ticks
from penstock.schedules import ScheduleError, zone_of

schedules = typer.Typer(
    no_args_is_help=True, help="See and change the schedules of the cluster: suspend, backfill, …"
)
ScheduleName = Annotated[
    str,
    typer.Argument(
        metavar="SCHEDULE", help="Name of the schedule.", autocompletion=complete_schedule
    ),
]
_CONTENDED_SECONDS = 30.0
"""How long a list is read again and again: the operator writes a schedule while it makes runs."""
_FIRST = (
    "Write one: penstock render FILE:FLOW --image IMAGE --cron '0 6 * * *' --tz ZONE | kubectl "
    "apply -f -"
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
    found = _get(cluster, schedule)
    status = found.get("status", {})
    upcoming, zone = status.get("nextTicks", []), _zone(found)
    if output is not None:
        print_document({"timeZone": zone.key, "ticks": upcoming}, form=output)
    elif not upcoming:
        say(f"No run of {schedule} is due: {_ready(found).get('message', 'nobody looked yet')}")
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
    _change(cluster, schedule, {"suspend": True})
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
    _change(cluster, schedule, {"suspend": False})
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
    _change(cluster, schedule, {"triggerAt": wire_time(now)})
    print(f"{schedule}-{now:%Y%m%d%H%M%S} is being made")


@schedules.command()
def backfill(
    ctx: typer.Context,
    schedule: ScheduleName,
    start: Annotated[
        str,
        typer.Option(
            metavar="MOMENT",
            help="The first: a day, or a time of a day (2026-02-03T09:30) on the schedule's clock, "
            "or with an offset (…Z).",
        ),
    ],
    end: Annotated[
        str, typer.Option(metavar="MOMENT", help="The last, likewise; a day counts to its end.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Its name, if not one made of start and end.")
    ] = None,
    at_once: Annotated[bool, typer.Option("--at-once", help="Not one run after another.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make the runs of a stretch of time that has passed."""
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))
    zone = _zone(_get(cluster, schedule))
    first = typed_moment(start, zone=zone, option="--start")
    last = typed_moment(end, zone=zone, option="--end", ends_day=True)
    if last < first:
        raise CommandError(f"A backfill ends after it starts: --end {end} is before {start}.")
    name = name or f"{first:%Y%m%d%H%M%S}-{last:%Y%m%d%H%M%S}"
    wanted = {
        "name": name,
        "start": wire_time(first),
        "end": wire_time(last),
        "overlapPolicy": "Allow" if at_once else "BufferAll",
    }

    def added(known: list[Object]) -> list[Object]:
        return [*(each for each in known if each["name"] != name), wanted]

    _change_backfills(cluster, schedule, added)
    say(f"from {_shown(first, zone)} to {_shown(last, zone)}")
    print(f"{schedule} is being backfilled: {name}")


@schedules.command(name="give-up")
def give_up(
    ctx: typer.Context,
    schedule: ScheduleName,
    name: Annotated[str, typer.Argument(metavar="BACKFILL", help="Name of the backfill.")],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Give a backfill up: no further runs of it are made."""
    cluster = connect(target_of(ctx, namespace, context, kubeconfig))

    def without(known: list[Object]) -> list[Object]:
        left = [each for each in known if each["name"] != name]
        if left == known:
            names = ", ".join(each["name"] for each in known) or "none"
            raise CommandError(f"{schedule} has no backfill {name}; it has {names}.")
        return left

    _change_backfills(cluster, schedule, without)
    print(f"{schedule} gives {name} up")


def _get(cluster: Cluster, name: str) -> Object:
    with named(cluster, "schedules", name, first=_FIRST):
        return cluster.get(cluster.path("schedules", name))


def _change(cluster: Cluster, name: str, spec: Object) -> Object:
    with named(cluster, "schedules", name, first=_FIRST):
        return cluster.merge(cluster.path("schedules", name), {"spec": spec})


def _zone(schedule: Object) -> ZoneInfo:
    try:
        return zone_of(schedule["spec"].get("timeZone", "UTC"))
    except ScheduleError as error:
        raise CommandError(str(error)) from error


def _shown(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(sep=" ")


def _change_backfills(
    cluster: Cluster, name: str, change: Callable[[list[Object]], list[Object]]
) -> None:
    """Change the list as it is now: it is read again if somebody wrote in between."""
    deadline = monotonic() + _CONTENDED_SECONDS
    while True:
        found = _get(cluster, name)
        metadata = {"resourceVersion": found["metadata"]["resourceVersion"]}
        backfills = change(found["spec"].get("backfills") or [])
        body = {"metadata": metadata, "spec": {"backfills": backfills}}
        try:
            cluster.merge(cluster.path("schedules", name), body)
            return
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT or monotonic() > deadline:
                raise


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
            "Suspended" if spec.get("suspend") else _ready(each).get("reason", "-"),
        )
    console().print(table)


def _skipped(status: Object) -> str:
    counts = status.get("skipped") or {}
    return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "-"


def _ready(schedule: Object) -> dict[str, Any]:
    conditions = schedule.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Ready"), {})
