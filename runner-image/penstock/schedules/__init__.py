"""When runs are due: the rule by which a schedule becomes moments, and nothing that waits.

    next_ticks(Cron("0 6 * * mon-fri", timezone="Europe/Berlin"), after=now, n=5)

A cron line or a recurrence rule speaks of the clock on the wall. Where that clock is put forward
and leaves times out, their run is due once, right after the gap. Where it is put back and shows
times twice, a time of day is due the first time. What is due in each hour is due in each hour that
there is: none is made up for one that was left out, and one that is shown again counts again.
``gap`` and ``overlap`` say otherwise. An interval counts seconds, whatever any clock shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from penstock.schedules.daylight import Gap, Overlap, moments_of, wall_before
from penstock.schedules.walls import (
    BEGUN,
    ScheduleError,
    cron_repeats_hourly,
    cron_walls,
    rrule_repeats_hourly,
    rrule_walls,
)

__all__ = [
    "Cron",
    "Gap",
    "Interval",
    "Overlap",
    "RRule",
    "Schedule",
    "ScheduleError",
    "next_ticks",
    "ticks_after",
    "zone_of",
]


_EPOCH = BEGUN.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line of five fields, or of six with seconds first."""

    cron: str
    timezone: str = "UTC"
    day_or: bool = True
    """Whether day of month and day of week are alternatives, as in cron, or both have to fit."""
    gap: Gap | None = None
    """``None``: ``SKIP`` for a line that names no hours, ``RUN_ONCE_AFTER`` for any other."""
    overlap: Overlap | None = None
    """``None``: ``BOTH`` for a line that names no hours, ``FIRST`` for any other."""

    def __post_init__(self) -> None:
        zone_of(self.timezone)
        if next(cron_walls(self.cron, BEGUN, day_or=self.day_or), None) is None:
            raise ScheduleError(
                f"{self.cron!r} is never due: no day of the calendar is all that it names."
            )


@dataclass(frozen=True, slots=True)
class Interval:
    """One run each ``interval``, counted from ``anchor_date``."""

    interval: timedelta | float
    anchor_date: datetime = _EPOCH

    def __post_init__(self) -> None:
        if _length(self) < timedelta(seconds=1):
            raise ScheduleError(f"An interval is of at least one second, not {self.interval!r}.")
        if self.anchor_date.tzinfo is None:
            raise ScheduleError(
                "An interval's anchor_date needs a time zone: datetime(…, tzinfo=ZoneInfo(…))."
            )


@dataclass(frozen=True, slots=True)
class RRule:
    """A recurrence rule of iCalendar (RFC 5545), such as ``FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9``."""

    rrule: str
    timezone: str = "UTC"
    gap: Gap | None = None
    """``None``: ``SKIP`` for a rule that is due in each hour, ``RUN_ONCE_AFTER`` for any other."""
    overlap: Overlap | None = None
    """``None``: ``BOTH`` for a rule that is due in each hour, ``FIRST`` for any other."""

    def __post_init__(self) -> None:
        zone_of(self.timezone)
        rrule_walls(self.rrule, BEGUN)


Schedule = Cron | Interval | RRule


def next_ticks(schedule: Schedule, after: datetime, n: int) -> list[datetime]:
    """Return the ``n`` moments after ``after`` at which runs are due, in UTC; fewer if it ends."""
    return list(islice(ticks_after(after, schedule), n))


def ticks_after(after: datetime, *schedules: Schedule) -> Iterator[datetime]:
    """Return the moments after ``after``, in UTC and in order, at which any schedule is due.

    A moment that several schedules name is given once. They end with the calendar, in 9999.
    """
    if after.tzinfo is None:
        raise ScheduleError("Ticks are counted from a moment with a time zone: datetime.now(UTC).")
    last = after.astimezone(UTC)
    with suppress(OverflowError):
        for tick in merge(*(_ticks(each, last) for each in schedules)):
            if tick > last:
                yield tick
                last = tick


def _ticks(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    if isinstance(schedule, Interval):
        return _interval_ticks(schedule, after)
    zone = zone_of(schedule.timezone)
    start = wall_before(after, zone)
    if isinstance(schedule, Cron):
        walls = cron_walls(schedule.cron, start, day_or=schedule.day_or)
        hourly = cron_repeats_hourly(schedule.cron)
    else:
        walls = rrule_walls(schedule.rrule, start)
        hourly = rrule_repeats_hourly(schedule.rrule)
    gap = schedule.gap or (Gap.SKIP if hourly else Gap.RUN_ONCE_AFTER)
    overlap = schedule.overlap or (Overlap.BOTH if hourly else Overlap.FIRST)
    return moments_of(walls, zone, gap=gap, overlap=overlap)


def _interval_ticks(schedule: Interval, after: datetime) -> Iterator[datetime]:
    length, anchor = _length(schedule), schedule.anchor_date.astimezone(UTC)
    count = (after - anchor) // length
    while True:
        count += 1
        yield anchor + count * length


def _length(schedule: Interval) -> timedelta:
    given = schedule.interval
    return given if isinstance(given, timedelta) else timedelta(seconds=given)


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of a name, or raise ``ScheduleError``."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ScheduleError(
            f"There is no time zone {name!r}; names are like 'Europe/Berlin' or 'UTC'."
        ) from error
