"""Ticks of schedules, above all where clocks are put forward and back."""
# ruff: noqa: DTZ001 - walls show no zone

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import MissingLibraryError
from penstock.schedules import (
    Cron,
    Gap,
    Interval,
    Overlap,
    RRule,
    Schedule,
    ScheduleError,
    next_ticks,
    ticks_after,
)

FORWARD = datetime(2026, 3, 29, 1, tzinfo=UTC)  # 02:00 becomes 03:00 in Berlin
BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)  # 03:00 becomes 02:00
STEP = timedelta(minutes=5)
EDGES = [
    ("Europe/Berlin", FORWARD),
    ("Europe/Berlin", BACK),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),  # by half an hour
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # by a whole day
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),  # at midnight
]


def clock(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type, misc] # year to second


def test_a_cron_line_means_the_clock_on_the_wall() -> None:
    winter, summer = (
        next_ticks(Cron("0 6 * * *", timezone="Europe/Berlin"), clock(2026, month, 1), 1)
        for month in (1, 7)
    )

    assert (winter, summer) == ([clock(2026, 1, 1, 5)], [clock(2026, 7, 1, 4)])


def test_a_time_in_the_gap_is_due_once_right_after_it() -> None:
    ticks = next_ticks(
        Cron("*/20 2 * * *", timezone="Europe/Berlin"), FORWARD - timedelta(hours=9), 2
    )

    assert ticks == [FORWARD, clock(2026, 3, 30, 0)]


def test_a_time_shown_twice_is_due_the_first_time() -> None:
    ticks = next_ticks(Cron("30 2 * * *", timezone="Europe/Berlin"), BACK - timedelta(hours=9), 2)

    assert ticks == [clock(2026, 10, 25, 0, 30), clock(2026, 10, 26, 1, 30)]


def test_an_interval_counts_seconds_over_every_edge() -> None:
    anchor = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin"))

    ticks = next_ticks(Interval(timedelta(days=1), anchor), clock(2026, 3, 28, 12), 2)

    assert ticks == [clock(2026, 3, 29, 11), clock(2026, 3, 30, 11)]


def test_six_fields_begin_with_seconds() -> None:
    ticks = next_ticks(Cron("*/30 0 6 * * *"), clock(2026, 1, 1), 2)

    assert ticks == [clock(2026, 1, 1, 6), clock(2026, 1, 1, 6, 0, 30)]


def test_days_of_month_and_week_are_alternatives_unless_told_otherwise() -> None:
    either, both = (
        next_ticks(Cron("0 0 13 * fri", day_or=day_or), clock(2026, 1, 1), 1)
        for day_or in (True, False)
    )

    assert (either, both) == ([clock(2026, 1, 2)], [clock(2026, 2, 13)])


@pytest.mark.parametrize(
    "schedule",
    [RRule("FREQ=DAILY;COUNT=3"), RRule("FREQ=DAILY;UNTIL=20210101")],
)
def test_a_schedule_that_ends_has_no_more_ticks(schedule: Schedule) -> None:
    assert next_ticks(schedule, clock(2026, 1, 1), 3) == []


@given(
    edge=st.sampled_from(EDGES),
    minutes=st.sets(st.sampled_from(range(0, 60, 5)), min_size=1, max_size=4),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=6),
    before=st.integers(0, 40 * 12),
    gap=st.sampled_from(Gap),
    overlap=st.sampled_from(Overlap),
)
def test_each_policy_agrees_with_a_clock_that_is_read_every_five_minutes(
    edge: tuple[str, datetime],
    minutes: set[int],
    hours: set[int],
    before: int,
    gap: Gap,
    overlap: Overlap,
) -> None:
    zone, start = ZoneInfo(edge[0]), edge[1] - before * STEP
    wanted = [
        moment
        for moment in (start + step * STEP for step in range(1, 60 * 12))
        if any(
            wall.minute in minutes and wall.hour in hours
            for wall in walls_due(moment, zone, gap=gap, overlap=overlap)
        )
    ]
    line = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"

    ticks = next_ticks(Cron(line, timezone=edge[0], gap=gap, overlap=overlap), start, len(wanted))

    assert ticks == wanted


def walls_due(moment: datetime, zone: ZoneInfo, *, gap: Gap, overlap: Overlap) -> list[datetime]:
    """Return what the wall shows at this moment, and what it leaps over, as the policy has it."""
    shown, previous = moment.astimezone(zone), (moment - STEP).astimezone(zone)
    wall = shown.replace(tzinfo=None, fold=0)
    walls = []
    if gap is Gap.RUN_ONCE_AFTER and not shown.fold:
        leapt = previous.replace(tzinfo=None) + STEP
        while leapt < wall:
            walls.append(leapt)
            leapt += STEP
    twice = {wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
    wanted = {Overlap.FIRST: {0}, Overlap.SECOND: {1}, Overlap.BOTH: {0, 1}}[overlap]
    if len(twice) == 1 or shown.fold in wanted:
        walls.append(wall)
    return walls


@pytest.mark.parametrize(
    "schedule",
    [
        Cron("*/30 * * * *", timezone="Europe/Berlin"),
        RRule("FREQ=MINUTELY;INTERVAL=30;BYSECOND=0", timezone="Europe/Berlin"),
    ],
)
def test_what_repeats_within_each_hour_goes_on_while_the_clock_shows_it_again(
    schedule: Schedule,
) -> None:
    around = BACK - timedelta(minutes=90)

    ticks = next_ticks(schedule, around, 5)

    assert ticks == [around + n * timedelta(minutes=30) for n in range(1, 6)]


@pytest.mark.parametrize(
    "schedule",
    [
        Cron("30 * * * *", timezone="Europe/Berlin"),
        RRule("FREQ=HOURLY;BYMINUTE=30;BYSECOND=0", timezone="Europe/Berlin"),
    ],
)
def test_an_hour_that_is_left_out_needs_no_run_of_what_is_due_in_each_hour(
    schedule: Schedule,
) -> None:
    around = FORWARD - timedelta(minutes=30)

    ticks = next_ticks(schedule, around, 2)

    assert ticks == [around + timedelta(hours=1), around + timedelta(hours=2)]


def test_each_second_hour_names_hours() -> None:
    line = Cron("30 */2 * * *", timezone="Europe/Berlin")

    forward, back = (next_ticks(line, at - timedelta(minutes=90), 2) for at in (FORWARD, BACK))

    assert forward == [FORWARD, FORWARD + timedelta(minutes=90)]
    assert back == [BACK - timedelta(minutes=30), BACK + timedelta(minutes=150)]


def test_a_gap_that_is_skipped_has_no_run() -> None:
    line = Cron("30 2 * * *", timezone="Europe/Berlin", gap=Gap.SKIP)

    assert next_ticks(line, FORWARD - timedelta(hours=9), 1) == [clock(2026, 3, 30, 0, 30)]


def test_several_schedules_make_one_row_of_ticks_without_doubles() -> None:
    noon, evening = Cron("0 12 * * *"), Cron("0 12,18 * * *")

    ticks = list(islice(ticks_after(clock(2026, 1, 1), noon, evening), 3))

    assert ticks == [clock(2026, 1, 1, 12), clock(2026, 1, 1, 18), clock(2026, 1, 2, 12)]


@given(
    rule=st.sampled_from(
        [
            "FREQ=DAILY;BYHOUR=6;BYMINUTE=30;BYSECOND=0",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR",
            "DTSTART:20210101T000000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR",
            "DTSTART:20210101T000000\nRRULE:FREQ=DAILY\nEXDATE:20260102T000000",
        ]
    ),
    after=st.datetimes(datetime(2021, 1, 1), datetime(2030, 1, 1)),
)
def test_rrule_agrees_with_dateutil_where_no_clock_is_changed(rule: str, after: datetime) -> None:
    oracle = rrulestr(rule, dtstart=datetime(2020, 1, 1)).xafter(after, count=4)

    ticks = next_ticks(RRule(rule), after.replace(tzinfo=UTC), 4)

    assert ticks == [tick.replace(tzinfo=UTC) for tick in oracle]


@given(
    rule=st.sampled_from(
        [
            "FREQ=HOURLY;INTERVAL=5",
            "FREQ=HOURLY;INTERVAL=7;BYMINUTE=5,50;COUNT=9",
            "FREQ=MINUTELY;INTERVAL=55;BYHOUR=9,10",
            "FREQ=DAILY;INTERVAL=3;BYHOUR=9,17",
            "DTSTART:20200103T101500\nRRULE:FREQ=HOURLY;INTERVAL=3;UNTIL=20200104T000000",
        ]
    ),
    after=st.datetimes(datetime(2020, 1, 1), datetime(2020, 1, 6)),
)
def test_a_rule_is_counted_from_its_beginning_wherever_one_asks(rule: str, after: datetime) -> None:
    oracle = rrulestr(rule, dtstart=datetime(2020, 1, 1)).xafter(after, count=4)

    ticks = next_ticks(RRule(rule), after.replace(tzinfo=UTC), 4)

    assert ticks == [tick.replace(tzinfo=UTC) for tick in oracle]


def test_a_rule_of_minutes_needs_no_count_of_all_that_have_been() -> None:
    began = time.process_time()

    ticks = next_ticks(RRule("FREQ=MINUTELY"), clock(2040, 1, 1), 1)

    assert (ticks, time.process_time() - began < 1) == ([clock(2040, 1, 1, 0, 1)], True)


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("FREQ=SECONDLY", clock(2040, 1, 1, 0, 0, 1)),
        ("FREQ=SECONDLY;BYHOUR=9", clock(2040, 1, 1, 9)),
        ("FREQ=MINUTELY;BYMONTH=3", clock(2040, 3, 1)),
        ("DTSTART:19000101T000000\nRRULE:FREQ=WEEKLY", clock(2040, 1, 2)),
        (
            "DTSTART:19000101T000000\nRRULE:FREQ=MINUTELY\nEXDATE:20400101T000100",
            clock(2040, 1, 1, 0, 2),
        ),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", clock(2044, 2, 29)),
    ],
)
def test_a_rule_is_found_soon_wherever_it_began(rule: str, first: datetime) -> None:
    began = time.process_time()

    ticks = next_ticks(RRule(rule), clock(2040, 1, 1), 1)

    assert (ticks, time.process_time() - began < 2) == ([first], True)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "not due in 100 years"),
        ("FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30", "not due in 100 years"),
        ("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "not due in 100 years"),
        ("FREQ=MINUTELY;INTERVAL=10080;BYDAY=TU", "not due in 100 years"),
        ("FREQ=MINUTELY;COUNT=100000000", "say UNTIL instead"),
        (
            "DTSTART:20200101T000000\nRRULE:FREQ=SECONDLY\nEXRULE:FREQ=SECONDLY",
            "write EXDATE",
        ),
        ("FREQ=SECONDLY;COUNT=9000;BYHOUR=3;BYMINUTE=1;BYSECOND=1", "say UNTIL instead"),
    ],
)
def test_a_rule_that_would_be_looked_for_without_end_is_refused(rule: str, words: str) -> None:
    began = time.process_time()

    with pytest.raises(ScheduleError, match=words):
        RRule(rule)

    assert time.process_time() - began < 2


def test_a_rule_keeps_the_clock_on_the_wall_over_an_edge() -> None:
    rule = RRule("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0", timezone="Europe/Berlin")

    assert next_ticks(rule, clock(2026, 3, 28), 2) == [clock(2026, 3, 28, 8), clock(2026, 3, 29, 7)]


@given(
    schedule=st.sampled_from(
        [Cron("*/5 * * * *", timezone=zone) for zone, _ in EDGES]
        + [Interval(7), RRule("FREQ=HOURLY", timezone="Europe/Berlin")]
    ),
    edge=st.sampled_from(EDGES),
    shift=st.integers(-7200, 7200),
)
def test_asking_again_from_the_last_tick_goes_on_where_it_was(
    schedule: Schedule, edge: tuple[str, datetime], shift: int
) -> None:
    after = edge[1] + timedelta(seconds=shift, microseconds=1)

    ticks = next_ticks(schedule, after, 6)

    assert ticks == sorted(set(ticks))
    assert all(tick > after for tick in ticks)
    assert ticks[3:] == next_ticks(schedule, ticks[2], 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Cron("0 6 * *"), "five fields"),
        (lambda: Cron("61 6 * * *"), r"no cron line: '61' is no minute \(0-59\)"),
        (lambda: Cron("0 0 6 32 * *"), "'32' is no day of a month"),
        (lambda: Cron("0 R * * *"), "'R' means nothing"),
        (lambda: Cron("0 0 30 2 *"), "is never due"),
        (lambda: Cron("0 0 * * 5L"), "The last one of a month is 'L5'"),
        (lambda: Cron("@sometimes"), "no cron line: write @hourly, @daily"),
        (lambda: Cron("0 6 * * *", timezone="Mars/Olympus"), "'Europe/Berlin' or 'UTC'"),
        (lambda: Cron("0 6 * * *", timezone="../etc"), "no time zone"),
        (lambda: Interval(0), "at least one second"),
        (lambda: Interval(60, datetime(2026, 1, 1)), "needs a time zone"),
        (lambda: RRule("FREQ=SOMETIMES"), "no recurrence rule"),
        (lambda: RRule("nonsense"), "no recurrence rule"),
        (lambda: RRule("FREQ=DAILY;UNTIL=20300101T000000Z"), "no Z"),
        (lambda: RRule("DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY"), "no Z"),
        (lambda: next_ticks(Interval(60), datetime(2026, 1, 1), 1), "with a time zone"),
    ],
)
def test_what_is_no_schedule_is_refused_with_a_sentence(make: object, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        make()  # type: ignore[operator] # each makes one


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "croniter", None)

    with pytest.raises(MissingLibraryError, match=r"pip install 'penstock\[serve\]'"):
        Cron("0 6 * * *")


def test_an_interval_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "croniter", None)
    monkeypatch.setitem(sys.modules, "dateutil.rrule", None)

    assert next_ticks(Interval(3600), clock(2026, 1, 1), 1) == [clock(2026, 1, 1, 1)]
