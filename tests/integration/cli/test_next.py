"""`penstock next` explains rules without a cluster."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from penstock.cli.app import app


def _next(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["next", *words])
    assert done.exit_code == code, done.output
    return done.output


def test_a_line_is_told_in_words_with_the_moments_on_the_clock_that_it_means() -> None:
    told = _next("30 2 * * *", "--tz", "Europe/Zurich", "--from", "2026-10-24T12:00", "-n", "2")

    assert [line.split()[:5] for line in told.splitlines()] == [
        ["At", "02:30", "(Europe/Zurich)"],
        [],
        ["DAY", "TIME", "OFFSET", "UTC", "IN"],
        ["Sun", "2026-10-25", "02:30:00", "+02:00", "2026-10-25T00:30:00Z"],
        ["Mon", "2026-10-26", "02:30:00", "+01:00", "2026-10-26T01:30:00Z"],
    ]


def test_the_policies_for_changed_clocks_are_options() -> None:
    told = _next(
        "30 2 * * *", "--tz", "Europe/Zurich", "--from", "2026-10-24T12:00",
        "--overlap", "both", "-n", "2", "-o", "json",
    )  # fmt: skip

    assert json.loads(told)["ticks"] == ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("*/15 * * * *", "Every 15 minutes"),
        ("*/40 * * * *", "Every 40 minutes, counted anew each hour"),
        ("0 */5 * * *", "Every 5 hours, counted anew each day"),
        ("*/7 * * * * *", "Every 7 seconds, counted anew each minute"),
    ],
)
def test_steps_that_do_not_fill_an_hour_are_said_to_begin_anew(line: str, meaning: str) -> None:
    assert json.loads(_next(line, "-o", "json"))["meaning"] == meaning


@pytest.mark.parametrize("rule", ["FREQ=DAILY;BYHOUR=6;BYMINUTE=0;BYSECOND=0", "@daily"])
def test_what_says_itself_is_not_explained(rule: str) -> None:
    told = json.loads(_next(rule, "-n", "1", "-o", "json"))

    assert (told["meaning"], len(told["ticks"])) == (None, 1)


def test_a_rule_that_is_over_says_so() -> None:
    assert "It is never due after that." in _next("FREQ=DAILY;UNTIL=20210101")


def test_a_line_that_is_never_due_is_refused() -> None:
    assert "'0 0 30 2 *' is never due" in _next("0 0 30 2 *", code=2)


def test_a_line_that_is_none_says_what_one_looks_like() -> None:
    assert "'0 6 * * *'" in _next("soon", code=2)
