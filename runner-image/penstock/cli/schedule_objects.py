"""Schedules of the cluster as the commands about them read and change them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from penstock.cli.absence import named
from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import CommandError
from penstock.cli.moments import parse_time
from penstock.schedules import Gap, Overlap, Schedule, ScheduleError, zone_of
from penstock.schedules.rules import rules_by

_FIRST = (
    "Write one: penstock render FILE:FLOW --image IMAGE --cron '0 6 * * *' --tz ZONE | kubectl "
    "apply -f -"
)


def read_schedule(cluster: Cluster, name: str) -> Object:
    """Return a Schedule; one that is not there is told with its nearest."""
    with named(cluster, "schedules", name, first=_FIRST):
        return cluster.get(cluster.path("schedules", name))


def change_schedule(cluster: Cluster, name: str, spec: Object) -> Object:
    """Change some fields of a Schedule."""
    with named(cluster, "schedules", name, first=_FIRST):
        return cluster.merge(cluster.path("schedules", name), {"spec": spec})


def zone_in(schedule: Object) -> ZoneInfo:
    """Return the zone whose clock a Schedule means."""
    try:
        return zone_of(schedule["spec"].get("timeZone", "UTC"))
    except ScheduleError as error:
        raise CommandError(str(error)) from error


def rules_in(schedule: Object) -> tuple[Schedule, ...]:
    """Return what says when a Schedule is due, as the operator reads it."""
    spec = schedule["spec"]
    interval, dst = spec.get("interval", {}), spec.get("dst", {})
    try:
        return rules_by(
            seconds=interval.get("seconds"),
            anchor=parse_time(interval["anchor"]) if "anchor" in interval else None,
            rrule=spec.get("rrule"),
            lines=spec.get("crons") or [each for each in [spec.get("cron")] if each],
            zone=spec.get("timeZone", "UTC"),
            gap=Gap(dst["gap"]) if "gap" in dst else None,
            overlap=Overlap(dst["overlap"]) if "overlap" in dst else None,
        )
    except ScheduleError as error:
        raise CommandError(f"{schedule['metadata']['name']} is never due: {error}") from error


def ready_condition(schedule: Object) -> Object:
    """Return what the operator says of a Schedule, if it has said anything."""
    conditions = schedule.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Ready"), {})
