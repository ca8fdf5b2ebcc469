"""The times on the wall that a cron line or a recurrence rule names, read by those who know how."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from penstock.errors import MissingLibraryError, PenstockError

BEGUN = datetime(2020, 1, 1)  # noqa: DTZ001 - a wall shows no zone
"""Where a recurrence rule begins that does not say it."""
_PERIODS = {3: timedelta(days=1), 4: timedelta(hours=1), 5: timedelta(minutes=1)}
"""What dateutil's DAILY, HOURLY and MINUTELY count; the others' numbers stay small."""
_HOURLY = 4
_EACH_HOUR = ("*", "*/1", "0-23")
_NAMES = re.compile(r"[a-z]+", re.IGNORECASE)
_KNOWN = {
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "l", "w"),
}


class ScheduleError(PenstockError, ValueError):
    """A schedule that cannot be read; the message says what one looks like."""


def cron_walls(line: str, start: datetime, *, day_or: bool) -> Iterator[datetime]:
    """Return the times on the wall after ``start``; raise at once where the line is no cron."""
    croniter = _library("croniter")
    stripped = line.strip()
    if not stripped.startswith("@"):
        _refuse_other_than_cron(line)
    try:
        lines = croniter.croniter(stripped, start, day_or=day_or, second_at_beginning=True)
    except (croniter.CroniterError, ValueError) as error:
        raise ScheduleError(f"{line!r} is no cron line: {error}") from error
    return _until_none(lines, croniter.CroniterBadDateError)


def cron_repeats_hourly(line: str) -> bool:
    """Tell whether the line names no hours: it is due so many times in each hour that passes."""
    fields = line.split()
    return line.strip().lower() == "@hourly" if len(fields) == 1 else fields[-4] in _EACH_HOUR


def rrule_walls(rule: str, start: datetime) -> Iterator[datetime]:
    """Return the times on the wall after ``start``; raise at once where the rule cannot be read."""
    try:
        rules = _begun_nearer(_rule(rule), start)
        first = rules.after(start)
        if first is not None and first.tzinfo is not None:
            raise ValueError("DTSTART names a time zone")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ScheduleError(
            f"{rule!r} is no recurrence rule: {error}. Write 'FREQ=DAILY;BYHOUR=6;"
            "BYMINUTE=0;BYSECOND=0', say, with times on the wall (no Z), and the zone by timezone=."
        ) from error
    walls: Iterator[datetime] = rules.xafter(start)
    return walls


def rrule_repeats_hourly(rule: str) -> bool:
    """Tell whether the rule is due in each hour: it counts them or less, and names none."""
    told = vars(_rule(rule))
    counted = told.get("_freq", 0)
    in_each = counted > _HOURLY or (counted == _HOURLY and told["_interval"] == 1)
    return in_each and not told["_byhour"]


def _refuse_other_than_cron(line: str) -> None:
    if len(line.split()) not in (5, 6):
        raise ScheduleError(
            f"{line!r} is no cron line: it has five fields (minute hour day month "
            "weekday), or six with seconds first. A run each day at six is '0 6 * * *'."
        )
    for word in _NAMES.findall(line):
        if word.lower() not in _KNOWN:
            raise ScheduleError(f"{line!r} is no cron line: {word!r} means nothing.")


def _until_none(lines: Any, ends: type[Exception]) -> Iterator[datetime]:
    while True:
        try:
            yield lines.get_next(datetime)
        except ends:  # the 30th of February
            return


def _rule(rule: str) -> Any:
    return _library("dateutil.rrule").rrulestr(rule, dtstart=BEGUN)


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
