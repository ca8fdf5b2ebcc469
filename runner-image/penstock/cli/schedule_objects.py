"""Schedules of the cluster as the commands about them read and change them."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from penstock.cli.absence import named
from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import CommandError
from penstock.cli.moments import parse_time
from penstock.schedules import Cron, Gap, Interval, Overlap, RRule, Schedule, ScheduleError, zone_of

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
    try:
        if interval := spec.get("interval"):
            anchor = {"anchor_date": parse_time(interval["anchor"])} if "anchor" in interval else {}
            return (Interval(timedelta(seconds=interval["seconds"]), **anchor),)
        zone, dst = spec.get("timeZone", "UTC"), spec.get("dst", {})
        gap = Gap(dst["gap"]) if "gap" in dst else None
        overlap = Overlap(dst["overlap"]) if "overlap" in dst else None
        if rule := spec.get("rrule"):
            return (RRule(rule, timezone=zone, gap=gap, overlap=overlap),)
        lines = spec.get("crons") or [spec["cron"]]
        return tuple(Cron(line, timezone=zone, gap=gap, overlap=overlap) for line in lines)
    except ScheduleError as error:
        raise CommandError(f"{schedule['metadata']['name']} is never due: {error}") from error


def ready_condition(schedule: Object) -> Object:
    """Return what the operator says of a Schedule, if it has said anything."""
    conditions = schedule.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Ready"), {})
