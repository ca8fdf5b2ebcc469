"""From schedules in Python to Schedule objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from penstock.cli.errors import CommandError
from penstock.cli.moments import wire_time
from penstock.schedules import Cron, Interval, RRule, ScheduleError

if TYPE_CHECKING:
    from penstock.schedules import Schedule

LONGEST_NAME = 36
"""A run of a schedule is named after it and its moment."""


def read_schedules(
    crons: Iterable[str], rrules: Iterable[str], interval: float | None, *, zone: str
) -> list[Schedule]:
    """Return the schedules that options name."""
    try:
        return [
            *(Cron(line, timezone=zone) for line in crons),
            *(RRule(rule, timezone=zone) for rule in rrules),
            *([Interval(interval)] if interval is not None else []),
        ]
    except ScheduleError as error:
        raise CommandError(str(error)) from error


def schedule_manifests(
    schedules: Sequence[Schedule], *, flow: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return a Schedule object for each, named after the Flow of this metadata; by numbers where
    there are several."""
    place = {"namespace": flow["namespace"]} if "namespace" in flow else {}
    return [
        {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "Schedule",
            "metadata": {"name": _name(flow["name"], number if len(schedules) > 1 else None)}
            | place,
            "spec": {"flowRef": {"name": flow["name"]}, **_spec(each)},
        }
        for number, each in enumerate(schedules, start=1)
    ]


def _name(flow: str, number: int | None) -> str:
    tail = "" if number is None else f"-{number}"
    return flow[: LONGEST_NAME - len(tail)].rstrip("-") + tail


def _spec(schedule: Schedule) -> dict[str, Any]:
    match schedule:
        case Interval():
            return {"interval": _interval(schedule)}
        case Cron():
            if not schedule.day_or and _names_both_days(schedule.cron):
                raise CommandError(
                    f"{schedule.cron!r} with day_or=False means days that fit both fields, which "
                    "a Schedule cannot say: write it as a recurrence rule (rrule), such as "
                    "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR."
                )
            return {"cron": schedule.cron.strip(), **_on_the_wall(schedule)}
        case RRule():
            return {"rrule": schedule.rrule, **_on_the_wall(schedule)}


def _interval(schedule: Interval) -> dict[str, Any]:
    given = schedule.interval
    length = given if isinstance(given, timedelta) else timedelta(seconds=given)
    if length % timedelta(seconds=1):
        raise CommandError(f"A Schedule's interval is of whole seconds, not {length}.")
    return {"seconds": round(length.total_seconds()), "anchor": wire_time(schedule.anchor_date)}


def _on_the_wall(schedule: Cron | RRule) -> dict[str, Any]:
    policies = {"gap": schedule.gap, "overlap": schedule.overlap}
    dst = {name: str(policy) for name, policy in policies.items() if policy is not None}
    return {"timeZone": schedule.timezone} | ({"dst": dst} if dst else {})


def _names_both_days(line: str) -> bool:
    fields = line.split()
    return len(fields) > 1 and not {fields[-3], fields[-1]} & {"*", "?"}
