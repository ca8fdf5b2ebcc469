"""When a process is left, and which waits make no sense: decided without any waiting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from penstock import flow, sleep, sleep_until
from penstock.drivers.suspension import Suspended, Wait, worth_leaving

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LINGER = timedelta(seconds=30)


def wait_for(seconds: float | None, *, since: float = 0, name: str = "") -> Wait:
    return Wait(
        kind="Sleep" if seconds is not None else "Signal",
        name=name,
        since=NOW - timedelta(seconds=since),
        until=None if seconds is None else NOW + timedelta(seconds=seconds),
    )


@pytest.mark.parametrize(
    ("waits", "leaves"),
    [
        pytest.param([wait_for(31)], True, id="a long sleep"),
        pytest.param([wait_for(29)], False, id="a short one"),
        pytest.param([wait_for(3600), wait_for(5)], False, id="one of two is short"),
        pytest.param([wait_for(None, since=31, name="go")], True, id="a signal after the linger"),
        pytest.param([wait_for(None, since=3, name="go")], False, id="a signal before it"),
        pytest.param([wait_for(None, since=31), wait_for(40)], True, id="signal and sleep"),
    ],
)
def test_what_is_worth_leaving_for(waits: list[Wait], *, leaves: bool) -> None:
    assert (worth_leaving(waits, now=NOW, linger=LINGER) is not None) == leaves


def test_what_ends_first_is_told_with_every_signal_that_may_come() -> None:
    waits = [wait_for(7200), wait_for(None, since=60, name="b"), wait_for(3600)]
    waits.append(wait_for(None, since=60, name="a"))

    reason = worth_leaving(waits, now=NOW, linger=LINGER)

    assert reason == Suspended(waits[2], ("a", "b"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sleep(-1), "at least 0, not -1"),
        (lambda: sleep_until(datetime(2026, 1, 1)), "with a time zone"),  # noqa: DTZ001
    ],
    ids=["negative", "naive"],
)
def test_waits_that_make_no_sense_are_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_sleep_until_a_moment_that_has_passed_is_over() -> None:
    @flow
    def late() -> str:
        sleep_until(NOW - timedelta(days=999))
        return "awake"

    assert late() == "awake"
