"""Ticks against three other ways to find them, over a century of all zones.

Which times on the wall a cron line names is read here from sets of numbers; when a clock shows them
from the stretches between two changes of its offset, without a word about folds. croniter and
dateutil, which know zones too, are asked as well. They differ from us in two places, which the
tests state: croniter is due both times when a clock shows a time twice, and dateutil puts what a
gap left out as far behind its end as it lay behind its beginning.
"""
# ruff: noqa: DTZ001 - walls show no zone

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from croniter import croniter
from dateutil.rrule import rrulestr
from dateutil.tz import datetime_exists
from hypothesis import assume, given
from hypothesis import strategies as st

from penstock.schedules import Cron, Gap, Interval, Overlap, RRule, next_ticks

ZONES = sorted(zone for zone in available_timezones() if "/" in zone and "right/" not in zone)
FIRST_YEAR, LAST_YEAR = 1938, 2038
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
LENGTH = 2 * DAY
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


# When a clock shows what


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a zone's clock is not changed."""

    begin: datetime
    end: datetime
    offset: timedelta

    @property
    def shows(self) -> tuple[datetime, datetime]:
        """What the wall shows first, and what it does not show any more."""
        return (_naive(self.begin + self.offset), _naive(self.end + self.offset))

    def __contains__(self, wall: datetime) -> bool:
        first, after = self.shows
        return first <= wall < after


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def stretches(zone: ZoneInfo, begin: datetime, end: datetime) -> list[Stretch]:
    """Cut a time where the zone's offset changes; changes are at least two hours apart."""
    found, since, moment = [], begin, begin
    while moment < end:
        later = min(moment + 2 * HOUR, end)
        if _offset(moment, zone) != _offset(later, zone):
            change = _change(zone, moment, later)
            found.append(Stretch(since, change, _offset(moment, zone)))
            since = change
        moment = later
    return [*found, Stretch(since, end, _offset(since, zone))]


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    seconds = range(int((after - before) / SECOND) + 1)
    changed = bisect_left(
        seconds,
        1,
        key=lambda n: int(_offset(before + n * SECOND, zone) != _offset(before, zone)),
    )
    return before + changed * SECOND


def moments_shown(
    named: Callable[[datetime, datetime], list[datetime]],
    parts: list[Stretch],
    *,
    gap: Gap,
    overlap: Overlap,
) -> list[datetime]:
    """Return when walls are due: those of each stretch, and the end of a gap that leaves some out.

    ``named`` returns the walls from a first one to before another.
    """
    due = set()
    for number, part in enumerate(parts):
        for wall in named(*part.shows):
            others = {
                Overlap.FIRST: parts[:number],
                Overlap.SECOND: parts[number + 1 :],
                Overlap.BOTH: [],
            }[overlap]
            if not any(wall in each for each in others):
                due.add(wall.replace(tzinfo=UTC) - part.offset)
    if gap is Gap.RUN_ONCE_AFTER:
        for before, after in pairwise(parts):
            left_out = named(before.shows[1], after.shows[0])
            if any(not any(wall in part for part in parts) for wall in left_out):
                due.add(after.begin)
    return sorted(due)


@st.composite
def clocks(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and a moment shortly before its clock is changed, if it was that year."""
    name = draw(st.sampled_from(ZONES))
    zone = ZoneInfo(name)
    year = draw(st.integers(FIRST_YEAR, LAST_YEAR))
    begin = datetime(year, 1, 1, tzinfo=UTC)
    days = [begin + n * DAY for n in range(367)]
    changes = [a for a, b in pairwise(days) if _offset(a, zone) != _offset(b, zone)] or days
    change = draw(st.sampled_from(changes))
    return name, change - timedelta(minutes=draw(st.integers(0, 24 * 60)))


# Which walls a line names


@dataclass(frozen=True, slots=True)
class Field:
    """What one field of a cron line says, and the numbers that it means."""

    text: str
    numbers: frozenset[int] = field(repr=False)


@st.composite
def fields(draw: st.DrawFn, low: int, high: int, names: tuple[str, ...] = ()) -> Field:
    """A field in any of the ways to write one, but for a long way to write ``*``."""

    by_name = draw(st.booleans()) and names != ()

    def written(number: int) -> str:
        return names[number - low] if by_name else str(number)

    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(2, high))
    match draw(st.sampled_from(["all", "steps", "one", "range", "range steps", "list"])):
        case "all":
            return Field("*", frozenset(range(low, high + 1)))
        case "steps":
            return Field(f"*/{step}", frozenset(range(low, high + 1, step)))
        case "one":
            return Field(written(first), frozenset({first}))
        case "range":
            assume(0 < last - first < high - low)
            text = f"{written(first)}-{written(last)}"
            return Field(text, frozenset(range(first, last + 1)))
        case "range steps":
            assume(first < last)
            return Field(f"{first}-{last}/{step}", frozenset(range(first, last + 1, step)))
        case _:
            numbers = draw(st.sets(st.integers(low, high), min_size=2, max_size=4))
            return Field(",".join(map(written, numbers)), frozenset(numbers))


@dataclass(frozen=True, slots=True)
class Line:
    """A cron line, and what it names."""

    text: str
    minutes: Field = field(repr=False)
    hours: Field = field(repr=False)
    is_day: Callable[[date], bool] = field(repr=False)

    def walls(self, first: datetime, before: datetime) -> list[datetime]:
        return [wall for wall in self._of_days(first.date(), before) if first <= wall < before]

    def _of_days(self, day: date, before: datetime) -> Iterator[datetime]:
        while day <= before.date():
            if self.is_day(day):
                for hour in sorted(self.hours.numbers):
                    for minute in sorted(self.minutes.numbers):
                        yield datetime(day.year, day.month, day.day, hour, minute)
            day += DAY


@st.composite
def lines(draw: st.DrawFn, *, often: bool = False) -> Line:
    """A cron line of five fields; ``often`` keeps it due on each day."""
    minutes, hours = draw(fields(0, 59)), draw(fields(0, 23))
    every = Field("*", frozenset(range(32)))
    if often:
        month = day = weekday = every
    else:
        month = draw(fields(1, 12, tuple(MONTHS)))
        day, weekday = draw(fields(1, 31)), draw(fields(0, 6, tuple(WEEKDAYS)))
    either = "*" not in (day.text, weekday.text)

    def is_day(each: date) -> bool:
        fits = (each.day in day.numbers, each.isoweekday() % 7 in weekday.numbers)
        return each.month in month.numbers and (any(fits) if either else all(fits))

    text = f"{minutes.text} {hours.text} {day.text} {month.text} {weekday.text}"
    return Line(text, minutes, hours, is_day)


def _last_day(day: date) -> bool:
    return day.day == monthrange(day.year, day.month)[1]


SPECIAL = {
    "L * *": _last_day,
    "* * fri#2": lambda day: day.isoweekday() == 5 and 8 <= day.day <= 14,
    "* * 1#1,3#2": lambda day: (day.isoweekday(), (day.day - 1) // 7) in {(1, 0), (3, 1)},
    "* * L0": lambda day: day.isoweekday() == 7 and (day + 7 * DAY).month != day.month,
    "29 2 *": lambda day: (day.month, day.day) == (2, 29),
}


@given(
    line=lines(),
    after=st.datetimes(datetime(FIRST_YEAR, 1, 1), datetime(LAST_YEAR, 1, 1)),
)
def test_a_line_names_the_times_that_its_fields_say(line: Line, after: datetime) -> None:
    wanted = [wall for wall in line.walls(after, after + 90 * DAY) if wall > after][:50]

    ticks = next_ticks(Cron(line.text), after.replace(tzinfo=UTC), len(wanted))

    assert [_naive(tick) for tick in ticks] == wanted


@given(
    days=st.sampled_from(sorted(SPECIAL)),
    after=st.dates(date(FIRST_YEAR, 1, 1), date(LAST_YEAR - 9, 1, 1)),
)
def test_last_days_and_numbered_weekdays_are_those_of_the_calendar(days: str, after: date) -> None:
    coming = (after + n * DAY for n in range(1, 9 * 366))
    wanted = [day for day, _ in zip(filter(SPECIAL[days], coming), range(2), strict=False)]

    start = datetime(after.year, after.month, after.day, tzinfo=UTC)
    ticks = next_ticks(Cron(f"0 0 {days}"), start, len(wanted))

    assert [tick.date() for tick in ticks] == wanted


@given(
    clock=clocks(),
    line=lines(often=True),
    gap=st.sampled_from(Gap),
    overlap=st.sampled_from(Overlap),
)
def test_each_policy_agrees_with_the_stretches_between_changes_of_the_clock(
    clock: tuple[str, datetime], line: Line, gap: Gap, overlap: Overlap
) -> None:
    name, after = clock
    parts = stretches(ZoneInfo(name), after - 2 * DAY, after + LENGTH + 2 * DAY)
    due = moments_shown(line.walls, parts, gap=gap, overlap=overlap)
    wanted = [moment for moment in due if after < moment <= after + LENGTH]

    ticks = next_ticks(Cron(line.text, timezone=name, gap=gap, overlap=overlap), after, len(wanted))

    assert ticks == wanted


@given(clock=clocks(), line=lines(often=True))
def test_croniter_finds_the_same_but_for_times_shown_twice_which_it_takes_twice(
    clock: tuple[str, datetime], line: Line
) -> None:
    name, after = clock
    zone = ZoneInfo(name)
    oracle = croniter(line.text, after.astimezone(zone))
    wanted = [oracle.get_next(datetime).astimezone(UTC) for _ in range(20)]

    ticks = next_ticks(Cron(line.text, timezone=name, overlap=Overlap.BOTH), after, 20)

    assert ticks == wanted


@given(
    clock=clocks(),
    rule=st.sampled_from(
        [
            "FREQ=DAILY;BYHOUR=0,2,3;BYMINUTE=0,30;BYSECOND=0",
            "FREQ=DAILY;BYHOUR=1;BYMINUTE=15,45;BYSECOND=0",
            "FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=0,1,2,3;BYMINUTE=10;BYSECOND=0",
            "FREQ=MONTHLY;BYDAY=-1SU,2SU,1SU;BYHOUR=2;BYMINUTE=30;BYSECOND=0",
            "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU;BYHOUR=2;BYMINUTE=0;BYSECOND=0",
        ]
    ),
)
def test_dateutil_finds_the_same_but_for_times_left_out(
    clock: tuple[str, datetime], rule: str
) -> None:
    name, after = clock
    zone = ZoneInfo(name)
    year = after.year - 1
    begun = f"DTSTART:{year}0101T000000\nRRULE:{rule}"
    oracle = rrulestr(rule, dtstart=datetime(year, 1, 1, tzinfo=zone))
    found = oracle.xafter(after.astimezone(zone) - DAY, count=20)
    shown = [wall.astimezone(UTC) for wall in found if datetime_exists(wall)]
    wanted = [moment for moment in shown if moment > after][:8]

    schedule = RRule(begun, timezone=name, gap=Gap.SKIP, overlap=Overlap.FIRST)
    ticks = next_ticks(schedule, after, len(wanted))

    assert ticks == wanted


@given(
    seconds=st.integers(1, 40 * 86_400),
    clock=clocks(),
    anchor=st.datetimes(datetime(FIRST_YEAR, 1, 1), datetime(LAST_YEAR, 1, 1)),
)
def test_an_interval_is_so_many_seconds_on_both_sides_of_its_anchor(
    seconds: int, clock: tuple[str, datetime], anchor: datetime
) -> None:
    name, after = clock
    begun = anchor.replace(tzinfo=ZoneInfo(name))

    ticks = next_ticks(Interval(seconds, begun), after, 5)

    assert timedelta(0) < ticks[0] - after <= seconds * SECOND
    assert {later - tick for tick, later in pairwise(ticks)} == {seconds * SECOND}
    assert (ticks[0] - begun.astimezone(UTC)) % (seconds * SECOND) == timedelta(0)
