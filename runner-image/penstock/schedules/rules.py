"""The rules of a Schedule object, as the operator and the command line both read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from penstock.schedules import (
    Cron,
    Gap,
    Interval,
    Overlap,
    RRule,
    Schedule,
    ScheduleError,
    zone_of,
)


def rules_by(
    *,
    seconds: int | None,
    anchor: datetime | None,
    rrule: str | None,
    lines: Sequence[str],
    zone: str,
    gap: Gap | None,
    overlap: Overlap | None,
) -> tuple[Schedule, ...]:
    """Return what says when a Schedule is due: an interval, a recurrence rule, or cron lines.

    Raises ``ScheduleError`` with a sentence where nothing does, or what does cannot be read.
    """
    zone_of(zone)  # an interval's parameters may tell its time
    if seconds is not None:
        length = timedelta(seconds=seconds)
        return (Interval(length) if anchor is None else Interval(length, anchor),)
    if rrule is not None:
        return (RRule(rrule, timezone=zone, gap=gap, overlap=overlap),)
    if not lines:
        raise ScheduleError("Nothing says when it is due: set cron, crons, interval or rrule.")
    return tuple(Cron(line, timezone=zone, gap=gap, overlap=overlap) for line in lines)
