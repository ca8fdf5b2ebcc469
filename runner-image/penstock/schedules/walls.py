"""The times on the wall that a cron line or a recurrence rule names, read by those who know how."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any

from penstock.errors import MissingLibraryError, PenstockError

BEGUN = datetime(2020, 1, 1)  # noqa: DTZ001 - a wall shows no zone
"""Where a recurrence rule begins that does not say it."""
_PERIODS = {
    3: timedelta(days=1), 4: timedelta(hours=1), 5: timedelta(minutes=1), 6: timedelta(seconds=1),
}  # fmt: skip
"""What dateutil's DAILY, HOURLY, MINUTELY and SECONDLY count; the others' numbers stay small."""
MOST_COUNTED = 10_000
MOST_YEARS = 100
_HOURLY, _MINUTELY = 4, 5
_HOUR = timedelta(hours=1)
_EACH_HOUR = ("*", "*/1", "0-23")
_FIELDS = (
    "second (0-59)",
    "minute (0-59)",
    "hour (0-23)",
    "day of a month (1-31)",
    "month (1-12)",
    "weekday (0-7, 0 and 7 are Sunday)",
)
_NAMES = re.compile(r"[a-z]+", re.IGNORECASE)
_KNOWN = {
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "l", "w"),
}


class ScheduleError(PenstockError, ValueError):
    """A schedule that cannot be read; the message says what one looks like."""


class _NotDueError(Exception):
    """A rule names nothing for many years."""


def cron_walls(line: str, start: datetime, *, day_or: bool) -> Iterator[datetime]:
    """Return the times on the wall after ``start``; raise at once where the line is no cron."""
    croniter = _library("croniter")
    stripped = line.strip()
    if not stripped.startswith("@"):
        _refuse_other_than_cron(line)
    try:
        lines = croniter.croniter(stripped, start, day_or=day_or, second_at_beginning=True)
    except (croniter.CroniterError, ValueError) as error:
        wrong = _wrong_field(stripped) or error
        raise ScheduleError(f"{line!r} is no cron line: {wrong}") from error
    return _until_none(lines, croniter.CroniterBadDateError)


def cron_repeats_hourly(line: str) -> bool:
    """Tell whether the line names no hours: it is due so many times in each hour that passes."""
    fields = line.split()
    return line.strip().lower() == "@hourly" if len(fields) == 1 else fields[-4] in _EACH_HOUR


def rrule_walls(rule: str, start: datetime) -> Iterator[datetime]:
    """Return the times on the wall after ``start``; raise at once where the rule cannot be read."""
    try:
        rules = _ready(_rule(rule), start)
        first = rules.after(start)
        if first is not None and first.tzinfo is not None:
            raise ValueError("DTSTART names a time zone")
    except _NotDueError as error:
        raise ScheduleError(f"{rule!r} is not due in {MOST_YEARS} years.") from error
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ScheduleError(
            f"{rule!r} is no recurrence rule: {error}. Write 'FREQ=DAILY;BYHOUR=6;"
            "BYMINUTE=0;BYSECOND=0', say, with times on the wall (no Z) and the zone apart from it."
        ) from error
    return _until_long_after(rules, start)


def rrule_repeats_hourly(rule: str) -> bool:
    """Tell whether the rule is due in each hour: it counts them or less, and names none."""
    return all(map(_is_due_in_each_hour, _parts(_rule(rule))))


def _is_due_in_each_hour(part: Any) -> bool:
    told = vars(part)
    counted = told["_freq"] >= _HOURLY and _PERIODS[told["_freq"]] * told["_interval"] <= _HOUR
    return counted and not told["_byhour"]


def _refuse_other_than_cron(line: str) -> None:
    if len(line.split()) not in (5, 6):
        raise ScheduleError(
            f"{line!r} is no cron line: it has five fields (minute hour day month "
            "weekday), or six with seconds first. A run each day at six is '0 6 * * *'."
        )
    for word in _NAMES.findall(line):
        if word.lower() not in _KNOWN:
            raise ScheduleError(f"{line!r} is no cron line: {word!r} means nothing.")


def _wrong_field(line: str) -> str | None:
    """Say which field cannot be read even where all others are ``*``."""
    if line.startswith("@"):
        return "write @hourly, @daily, @weekly, @monthly or @yearly."
    fields = line.split()
    for number, (field, name) in enumerate(zip(fields, _FIELDS[-len(fields) :], strict=True)):
        alone = ["*"] * number + [field] + ["*"] * (len(fields) - number - 1)
        if not _library("croniter").croniter.is_valid(" ".join(alone), second_at_beginning=True):
            return f"{field!r} is no {name}.{_as_quartz_has_it(field)}"
    return None


def _as_quartz_has_it(field: str) -> str:
    last = re.fullmatch(r"([0-7])L", field, re.IGNORECASE)
    return f" The last one of a month is 'L{last[1]}'." if last else ""


def _until_none(lines: Any, ends: type[Exception]) -> Iterator[datetime]:
    while True:
        try:
            yield lines.get_next(datetime)
        except ends:  # the 30th of February
            return


def _rule(rule: str) -> Any:
    return _library("dateutil.rrule").rrulestr(rule, dtstart=BEGUN)


def _parts(rules: Any) -> list[Any]:
    """Return the rules of a set of them, or the one that there is; dates in a set are no rules."""
    return list(vars(rules).get("_rrule", [rules]))  # dateutil has no public names for these


def _ready(rules: Any, start: datetime) -> Any:
    """Return the same rules as they can be asked for what comes after ``start``."""
    told = vars(rules)
    if "_rrule" not in told:
        return _bounded(_begun_nearer(rules, start))
    if told["_exrule"]:  # what excludes all would be looked for without end
        raise ValueError("EXRULE is no part of RFC 5545 any more, write EXDATE")
    told["_rrule"] = [_bounded(_begun_nearer(each, start)) for each in told["_rrule"]]
    return rules


def _begun_nearer(part: Any, start: datetime) -> Any:
    """Return the same rule begun shortly before ``start``: dateutil counts from its beginning."""
    told = vars(part)
    period, count = _PERIODS.get(told["_freq"]), told["_count"]
    if count is not None and (count > MOST_COUNTED or _is_slow_to_count(told)):
        raise ValueError(
            f"COUNT is at most {MOST_COUNTED}, and not for minutes or seconds of some hours;"
            " say UNTIL instead"
        )
    if period is None or count is not None or start < told["_dtstart"]:
        return part
    begun, step = told["_dtstart"], period * told["_interval"]
    return part.replace(dtstart=begun + (start - begun) // step * step)


def _is_slow_to_count(told: dict[str, Any]) -> bool:
    """Tell whether a rule names few of the minutes or seconds through which dateutil steps."""
    named = (
        told["_byhour"] or told["_byminute"] or (told["_freq"] > _MINUTELY and told["_bysecond"])
    )
    return told["_freq"] >= _MINUTELY and bool(named)


def _bounded(part: Any) -> Any:
    """Let a rule give up that is not due for long: dateutil goes on to the year 9999, in one step
    of ours."""
    part.__class__ = _bounded_kind()
    return part


@cache
def _bounded_kind() -> Any:
    """It looks up the weeks of each year that it comes to, and that is where we count."""

    class Bounded(_library("dateutil.rrule").rrule):  # type: ignore[misc] # imported when needed
        years = 0

        @property
        def _byweekno(self) -> Any:
            self.years += 1
            if self.years > MOST_YEARS:
                raise _NotDueError
            return vars(self)["_byweekno"]

        def _iter(self) -> Iterator[datetime]:
            for wall in super()._iter():
                self.years = 0
                yield wall

    return Bounded


def _until_long_after(rules: Any, start: datetime) -> Iterator[datetime]:
    with suppress(_NotDueError):
        yield from rules.xafter(start)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"Schedules by cron or rrule need {name.partition('.')[0]}: "
            "pip install 'penstock[serve]'."
        ) from error
