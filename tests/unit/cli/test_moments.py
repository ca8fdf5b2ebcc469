"""Moments as people type them."""

from zoneinfo import ZoneInfo

import pytest

from penstock.cli.errors import CommandError
from penstock.cli.moments import typed_moment, wire_time

ZURICH = ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        pytest.param("2026-02-03", "2026-02-02T23:00:00Z", "2026-02-03T22:59:59Z", id="a day"),
        pytest.param(
            "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", id="a day of 23 hours"
        ),
        pytest.param(
            "2026-02-03T09:30", "2026-02-03T08:30:00Z", "2026-02-03T08:30:00Z", id="a time"
        ),
        pytest.param(
            "2026-02-03 09:30:15", "2026-02-03T08:30:15Z", "2026-02-03T08:30:15Z", id="a blank"
        ),
        pytest.param(
            "2026-02-03T09:30:00Z", "2026-02-03T09:30:00Z", "2026-02-03T09:30:00Z", id="UTC"
        ),
        pytest.param(
            "2026-02-03T09:30-05:00", "2026-02-03T14:30:00Z", "2026-02-03T14:30:00Z", id="an offset"
        ),
    ],
)
def test_a_moment_is_on_the_clock_of_the_zone_and_a_day_has_two_ends(
    text: str, start: str, end: str
) -> None:
    assert wire_time(typed_moment(text, zone=ZURICH, option="--start")) == start
    assert wire_time(typed_moment(text, zone=ZURICH, option="--end", ends_day=True)) == end


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30", "2026-02-03T25:00", "9999-12-31"])
def test_what_is_no_moment_is_refused_with_one(text: str) -> None:
    with pytest.raises(CommandError, match=r"--end is a day or a moment, such as 2026-02-03"):
        typed_moment(text, zone=ZURICH, option="--end", ends_day=True)
