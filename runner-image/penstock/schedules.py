"""When runs are due: the rule by which a schedule becomes moments, and nothing that waits.

    next_ticks(Cron("0 6 * * mon-fri", timezone="Europe/Berlin"), after=now, n=5)

A cron line or a recurrence rule speaks of the clock on the wall. Where that clock is put forward
and leaves a time out, its run is due once, right after the gap; where it is put back and shows a
time twice, the run is due the first time. An interval counts seconds, whatever any clock shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from penstock.errors import MissingLibraryError, PenstockError

__all__ = ["Cron", "Interval", "RRule", "Schedule", "ScheduleError", "next_ticks"]

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_PERIODS = {3: timedelta(days=1), 4: timedelta(hours=1), 5: timedelta(minutes=1)}
"""What dateutil's DAILY, HOURLY and MINUTELY count; the others' numbers stay small."""
_NAMES = re.compile(r"[a-z]+", re.IGNORECASE)
_KNOWN = {
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "l", "w"),
}


class ScheduleError(PenstockError, ValueError):
    """A schedule that cannot be read; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line of five fields, or of six with seconds first."""

    cron: str
    timezone: str = "UTC"
    day_or: bool = True
    """Whether day of month and day of week are alternatives, as in cron, or both have to fit."""

    def __post_init__(self) -> None:
        _zone(self.timezone)
        _cron_walls(self, _EPOCH.replace(tzinfo=None))


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
    """A recurrence rule of iCalendar, such as ``FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9``."""

    rrule: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        _zone(self.timezone)
        _rrule_walls(self, _EPOCH.replace(tzinfo=None))


Schedule = Cron | Interval | RRule


def next_ticks(schedule: Schedule, after: datetime, n: int) -> list[datetime]:
    """Return the ``n`` moments after ``after`` at which runs are due, in UTC; fewer if it ends."""
    if after.tzinfo is None:
        raise ScheduleError("next_ticks needs a moment with a time zone: datetime.now(UTC), say.")
    return list(islice(_ticks(schedule, after.astimezone(UTC)), n))


def _ticks(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    if isinstance(schedule, Interval):
        yield from _interval_ticks(schedule, after)
        return
    zone = _zone(schedule.timezone)
    start = after.astimezone(zone).replace(tzinfo=None, fold=0, microsecond=0)
    read = _cron_walls if isinstance(schedule, Cron) else _rrule_walls
    last = after
    for wall in read(schedule, start):  # type: ignore[arg-type] # each reads its own kind
        tick = _moment(wall, zone)
        if tick > last:  # not a time shown again, and all times of a gap at once
            yield tick
            last = tick


def _interval_ticks(schedule: Interval, after: datetime) -> Iterator[datetime]:
    length, anchor = _length(schedule), schedule.anchor_date.astimezone(UTC)
    count = (after - anchor) // length
    while True:
        count += 1
        yield anchor + count * length


def _length(schedule: Interval) -> timedelta:
    given = schedule.interval
    return given if isinstance(given, timedelta) else timedelta(seconds=given)


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clock first shows ``wall``, or when it leaps over it."""
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # the gap ends between these two
    leaps = moment.astimezone(zone).utcoffset()
    low, high = 0, round((moment - before).total_seconds())
    while low < high:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == leaps:
            high = middle
        else:
            low = middle + 1
    return (before + timedelta(seconds=low)).replace(microsecond=0)


def _cron_walls(schedule: Cron, start: datetime) -> Iterator[datetime]:
    """Return the times on the wall after ``start``; raise at once where the line is no cron."""
    croniter = _library("croniter")
    line = schedule.cron.strip()
    if not line.startswith("@") and len(line.split()) not in (5, 6):
        raise ScheduleError(
            f"{schedule.cron!r} is no cron line: it has five fields (minute hour day month "
            "weekday), or six with seconds first. A run each day at six is '0 6 * * *'."
        )
    unknown = [word for word in _NAMES.findall(line) if word.lower() not in _KNOWN]
    if unknown and not line.startswith("@"):
        raise ScheduleError(f"{schedule.cron!r} is no cron line: {unknown[0]!r} means nothing.")
    try:
        lines = croniter.croniter(line, start, day_or=schedule.day_or, second_at_beginning=True)
    except (croniter.CroniterError, ValueError) as error:
        raise ScheduleError(f"{schedule.cron!r} is no cron line: {error}") from error
    return _until_none(lines, croniter.CroniterBadDateError)


def _until_none(lines: Any, ends: type[Exception]) -> Iterator[datetime]:
    while True:
        try:
            yield lines.get_next(datetime)
        except ends:  # the 30th of February
            return


def _rrule_walls(schedule: RRule, start: datetime) -> Iterator[datetime]:
    """Return the times on the wall after ``start``; raise at once where the rule cannot be read."""
    rrule = _library("dateutil.rrule")
    try:
        rules = rrule.rrulestr(schedule.rrule, dtstart=_EPOCH.replace(tzinfo=None))
        rules = _begun_nearer(rules, start)
        first = rules.after(start)
        if first is not None and first.tzinfo is not None:
            raise ValueError("DTSTART names a time zone")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ScheduleError(
            f"{schedule.rrule!r} is no recurrence rule: {error}. Write 'FREQ=DAILY;BYHOUR=6;"
            "BYMINUTE=0;BYSECOND=0', say, with times on the wall (no Z), and the zone by timezone=."
        ) from error
    walls: Iterator[datetime] = rules.xafter(start)
    return walls


def _begun_nearer(rules: Any, start: datetime) -> Any:
    """Return the same rule begun shortly before ``start``: dateutil counts from its beginning."""
    told = vars(rules)  # dateutil has no public names for these
    period = _PERIODS.get(told.get("_freq"))
    if period is None or told["_count"] is not None or start < told["_dtstart"]:
        return rules
    begun, step = told["_dtstart"], period * told["_interval"]
    return rules.replace(dtstart=begun + (start - begun) // step * step)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"Schedules by cron or rrule need {name.partition('.')[0]}: "
            "pip install 'penstock[serve]'."
        ) from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ScheduleError(
            f"There is no time zone {name!r}; names are like 'Europe/Berlin' or 'UTC'."
        ) from error
