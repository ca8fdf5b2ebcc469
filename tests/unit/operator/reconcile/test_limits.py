"""The plan of a ConcurrencyLimit: the slots of those who are gone go to who is next, at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.concurrency.book import Key
from penstock_operator.reconcile.actions import PutLimitStatus
from penstock_operator.reconcile.limits import plan_limit
from penstock_operator.reconcile.observed import Look, ObservedLimit
from penstock_operator.reconcile.reading import read_limit
from penstock_operator.reconcile.views import RunView

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
LATER = "2026-11-21T09:01:00Z"
Object = dict[str, Any]


def entry(run: str, *, attempt: int = 1, **more: Any) -> Object:
    given = {"holder": run, "uid": f"uid-{run}", "attempt": attempt, "process": "p1"}
    return given | {"occupy": 1, "expiresAt": LATER} | more


def run(name: str, state: str = "Running", **more: Any) -> RunView:
    over = state in ("Completed", "Failed")
    return RunView(name, f"uid-{name}", over, state, **({"attempt": 1} | more))


def observed(
    holders: list[Object],
    *runs: RunView,
    waiting: tuple[Object, ...] = (),
    silent: frozenset[Key] = frozenset(),
    **spec: Any,
) -> ObservedLimit:
    raw = {
        "metadata": {"namespace": "team", "name": "db", "uid": "u", "resourceVersion": "7"},
        "spec": {"limit": 1} | spec,
        "status": {"holders": holders, "waiting": list(waiting)},
    }
    known: dict[str, RunView | None] = {each.name: each for each in runs}
    return ObservedLimit(read_limit(raw), runs=known, silent=silent)  # type: ignore[arg-type]


def written(seen: ObservedLimit) -> Object:
    """Return the status that the plan writes."""
    (action,) = plan_limit(seen, now=NOW).actions
    assert isinstance(action, PutLimitStatus)
    status = action.manifest["status"]
    assert isinstance(status, dict)
    return status


def names(entries: Any) -> list[str]:
    return [each["holder"] for each in entries]


GONE = {
    "ended": run("a", "Completed"),
    "another of its name": RunView("a", "uid-other", False, "Running", attempt=1),
    "on a later attempt": run("a", attempt=2),
    "without a pod": run("a", "Suspended"),
}


@pytest.mark.parametrize("holder", GONE.values(), ids=list(GONE))
def test_the_slots_of_a_run_that_is(holder: RunView) -> None:
    waiting = entry("b", since=LATER)

    status = written(observed([entry("a")], holder, run("b"), waiting=(waiting,)))

    assert (names(status["holders"]), status["waiting"]) == (["b"], [])


def test_a_run_that_no_watch_shows_is_looked_for_before_it_is_forgotten() -> None:
    seen = observed([entry("a")])

    plan = plan_limit(seen, now=NOW)

    assert (plan.need, plan.actions) == (frozenset({Look.HOLDERS}), ())


ALIVE = {
    "at work": ({}, run("a")),
    "launched by an operator that knows more": ({"attempt": 2}, run("a")),
    "back from a wait of which alone this operator knows": (
        {"attempt": 2},
        run("a", "Suspended"),
    ),
    "away, with its place kept": ({"suspended": True}, run("a", "Suspended")),
    "for a whole run at a later attempt": ({"process": "run"}, run("a", attempt=3)),
    "back for a moment": (
        {"suspended": True},
        run("a", attempt=2, reporting_since=NOW - timedelta(seconds=5)),
    ),
}


@pytest.mark.parametrize(("more", "holder"), ALIVE.values(), ids=list(ALIVE))
def test_slots_stay_with_a_run_that_is(more: Object, holder: RunView) -> None:
    status = written(observed([entry("a", **more)], holder))

    assert names(status["holders"]) == ["a"]


FORGOTTEN = {
    "back for long": run("a", attempt=2, reporting_since=NOW - timedelta(minutes=5)),
    "suspended by somebody": run("a", "Suspended", rests_on_request=True),
}


@pytest.mark.parametrize("holder", FORGOTTEN.values(), ids=list(FORGOTTEN))
def test_a_kept_place_is_lost_when_its_run_is(holder: RunView) -> None:
    status = written(observed([entry("a", suspended=True)], holder))

    assert status["holders"] == []


def test_a_silent_process_loses_its_slots() -> None:
    silent = frozenset({Key("uid-a", 1, "p1")})

    status = written(observed([entry("a")], run("a"), silent=silent))

    assert status["holders"] == []


def test_a_limit_that_is_raised_serves_who_waits() -> None:
    waiting = tuple(entry(each, since=LATER) for each in "bc")

    status = written(
        observed([entry("a")], *map(run, "abc"), waiting=waiting, limit=2),
    )

    assert (names(status["holders"]), names(status["waiting"])) == (["a", "b"], ["c"])


def test_what_is_written_is_not_written_again() -> None:
    first = observed([entry("a")], run("a"))
    raw = {**first.limit.manifest, "status": written(first)}  # type: ignore[union-attr]

    again = plan_limit(ObservedLimit(read_limit(raw), runs=first.runs), now=NOW)

    assert again.actions == ()
    assert again.requeue_after is not None


def test_slots_that_come_back_by_decay_are_handed_over_then() -> None:
    taken = {"filled": 1, "filledAt": NOW.isoformat()}
    seen = observed([], run("b"), waiting=(entry("b"),), slotDecayPerSecond=0.1)
    limit = {**seen.limit.manifest, "status": taken | {"waiting": [entry("b")]}}  # type: ignore[union-attr]
    decaying = ObservedLimit(read_limit(limit), runs=seen.runs)

    plan = plan_limit(decaying, now=NOW)
    later = plan_limit(decaying, now=NOW + timedelta(seconds=10)).actions[0]

    assert plan.requeue_after == timedelta(seconds=10)
    assert isinstance(later, PutLimitStatus)
    assert names(later.manifest["status"]["holders"]) == ["b"]  # type: ignore[index,call-overload]


def test_a_status_that_nobody_can_read_stops_nothing() -> None:
    plan = plan_limit(observed([{"holder": 3}]), now=NOW)

    assert (plan.actions, plan.need) == ((), frozenset())
