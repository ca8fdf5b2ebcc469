"""`penstock schedule backfill` and `give-up`: the runs of a stretch of time that has passed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from time import monotonic
from typing import Annotated

import typer

from penstock.cli.cluster import Cluster, Object
from penstock.cli.connection import connect
from penstock.cli.errors import ApiError, CommandError
from penstock.cli.moments import typed_moment, wire_time
from penstock.cli.options import Context, Kubeconfig, Namespace, ScheduleName, target_of
from penstock.cli.output import say
from penstock.cli.schedule_objects import read_schedule, ready_condition, rules_in, zone_in
from penstock.schedules.stretches import MOST_BACKFILLED, count_moments

MOST_LISTED = 16
"""How many backfills a Schedule lists."""
_CONTENDED_SECONDS = 30.0
"""How long a list is read again and again: the operator writes a schedule while it makes runs."""


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
    found = read_schedule(cluster, schedule)
    zone = zone_in(found)
    first = typed_moment(start, zone=zone, option="--start")
    last = typed_moment(end, zone=zone, option="--end", ends_day=True)
    if last < first:
        raise CommandError(f"A backfill ends after it starts: --end {end} is before {start}.")
    stretch = " to ".join(each.astimezone(zone).isoformat(sep=" ") for each in (first, last))
    runs = _count_runs(found, first, last, stretch=stretch)
    wanted = {
        "name": name or f"{first:%Y%m%d%H%M%S}-{last:%Y%m%d%H%M%S}",
        "start": wire_time(first),
        "end": wire_time(last),
        "overlapPolicy": "Allow" if at_once else "BufferAll",
    }
    if _is_done(found, wanted):
        print(
            f"{schedule} has been backfilled already: {wanted['name']}; to do it again, give it "
            "another --name"
        )
        return
    _change_backfills(cluster, schedule, lambda now: [*_with_room(now, wanted), wanted])
    say(f"{runs} run{'s' * (runs != 1)}, from {stretch}")
    if (ready := ready_condition(found)).get("status") == "False":
        say(f"{schedule} is not ready: {ready.get('message', '')}")
    print(f"{schedule} is being backfilled: {wanted['name']}")


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

    def without(found: Object) -> list[Object]:
        known = _listed(found)
        left = [each for each in known if each["name"] != name]
        if left == known:
            names = ", ".join(each["name"] for each in known) or "none"
            raise CommandError(f"{schedule} has no backfill {name}; it has {names}.")
        return left

    _change_backfills(cluster, schedule, without)
    print(f"{schedule} gives {name} up")


def _count_runs(schedule: Object, first: datetime, last: datetime, *, stretch: str) -> int:
    """Count what a backfill asks for; refuse what the operator would not begin, and nothing."""
    runs = count_moments(*rules_in(schedule), first=first, last=last)
    name = schedule["metadata"]["name"]
    if runs > MOST_BACKFILLED:
        raise CommandError(
            f"{name} is due more than {MOST_BACKFILLED:,} times from {stretch}, and no backfill "
            "makes more runs than that; split it into shorter ones."
        )
    if not runs:
        raise CommandError(f"{name} is never due from {stretch}, so there is nothing to run.")
    return runs


def _listed(schedule: Object) -> list[Object]:
    return schedule["spec"].get("backfills") or []


def _is_done(schedule: Object, backfill: Object) -> bool:
    """Tell whether the operator has made all runs of that very backfill."""
    return any(
        each.get("complete") and all(each[key] == backfill[key] for key in ("name", "start", "end"))
        for each in schedule.get("status", {}).get("backfills", [])
    )


def _with_room(schedule: Object, wanted: Object) -> list[Object]:
    """Return the list without one of that name, and where it is full without one that is done."""
    known = [each for each in _listed(schedule) if each["name"] != wanted["name"]]
    if len(known) < MOST_LISTED:
        return known
    done = next((each for each in known if _is_done(schedule, each)), None)
    if done is None:
        name = schedule["metadata"]["name"]
        raise CommandError(
            f"{name} has {MOST_LISTED} backfills already that are not done, and lists no more; "
            f"wait, or give one up: penstock schedule give-up {name} {known[0]['name']}"
        )
    return [each for each in known if each is not done]


def _change_backfills(
    cluster: Cluster, name: str, change: Callable[[Object], list[Object]]
) -> None:
    """Change the list as it is now: it is read again if somebody wrote in between."""
    deadline = monotonic() + _CONTENDED_SECONDS
    while True:
        found = read_schedule(cluster, name)
        metadata = {"resourceVersion": found["metadata"]["resourceVersion"]}
        body = {"metadata": metadata, "spec": {"backfills": change(found)}}
        try:
            cluster.merge(cluster.path("schedules", name), body)
            return
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT or monotonic() > deadline:
                raise
