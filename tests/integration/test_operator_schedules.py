"""Schedules on a real API server: runs that are made, what is refused, and who may be two."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integration.apiserver import Refused
from tests.integration.world import Operator, World, eventually

Object = dict[str, Any]
EACH_SECOND = {"cron": "* * * * * *"}


def _schedule(world: World, name: str = "nightly", **spec: Any) -> Object:
    return world.create("schedules", "Schedule", name, {"flowRef": {"name": "daily"}, **spec})


def _status(world: World, name: str = "nightly") -> Object:
    return (world.get("schedules", name) or {}).get("status") or {}


def _runs(world: World, name: str = "nightly") -> list[Object]:
    found = world.list("flowruns", labelSelector=f"penstock.dev/schedule={name}")
    return sorted(found, key=lambda run: run["metadata"]["name"])


def _complete(world: World, run: str, state: str = "Completed") -> None:
    world.wait_for_job(f"{run}-1")
    world.report_outcome(run, state, attempt=1)
    world.wait_for_state(run, state)


def _wire(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def test_a_run_is_made_at_each_moment_with_its_parameters(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()

    _schedule(world, **EACH_SECOND, parameters={"at": "{{ scheduledTime }}"})
    runs = eventually(lambda: found if len(found := _runs(world)) >= 3 else None)

    for run in runs:
        moment = datetime.fromisoformat(run["spec"]["parameters"]["at"])
        created = datetime.fromisoformat(run["metadata"]["creationTimestamp"])
        assert run["metadata"]["name"] == f"nightly-{moment:%Y%m%d%H%M%S}"
        assert run["metadata"]["annotations"]["penstock.dev/scheduled-time"] == _wire(moment)
        assert created >= moment


def test_the_status_shows_what_kubectl_prints(world: World, operator: Operator) -> None:
    world.create_flow()
    _schedule(world, cron="0 6 * * *", timeZone="Europe/Zurich")

    status = eventually(lambda: s if (s := _status(world)).get("nextTicks") else None)
    printed = world.api.kubectl("-n", world.namespace, "get", "schedules").stdout.splitlines()

    assert len(status["nextTicks"]) == 5
    assert printed[0].split() == [
        "NAME", "FLOW", "SCHEDULE", "TIMEZONE", "SUSPEND", "LAST", "NEXT", "ACTIVE", "AGE",
    ]  # fmt: skip
    assert "0 6 * * *" in printed[1]
    assert status["nextTicks"][0] in printed[1]


def test_the_end_of_a_run_lets_the_next_one_start(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    world.create("schedules", "Schedule", "nightly", {
        "flowRef": {"name": "daily"}, **EACH_SECOND, "overlapPolicy": "BufferOne",
    })  # fmt: skip
    first = eventually(lambda: _runs(world))[0]["metadata"]["name"]
    eventually(lambda: _status(world).get("buffered"))
    assert len(_runs(world)) == 1

    _complete(world, first)
    second = eventually(lambda: found if len(found := _runs(world)) == 2 else None)[1]

    assert _status(world)["active"] == [second["metadata"]["name"]]


def test_a_later_run_cancels_the_earlier_one(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    # The first has to be at work before the second is due, on a slow machine too.
    _schedule(world, interval={"seconds": 10}, overlapPolicy="CancelRunning")
    first = eventually(lambda: _runs(world))[0]["metadata"]["name"]
    world.wait_for_job(f"{first}-1")
    world.start_job(f"{first}-1")
    world.report(first, attempt=1)

    cancelled = eventually(lambda: (world.get("flowruns", first) or {})["spec"].get("cancel"))
    world.report_outcome(first, "Cancelled", attempt=1)
    world.wait_for_state(first, "Cancelled")

    assert cancelled is True
    assert eventually(lambda: len(_runs(world)) >= 2)


def test_failures_in_a_row_stop_it(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    _schedule(world, **EACH_SECOND, overlapPolicy="Skip", suspendAfterFailures=2)
    for number in range(2):
        found = eventually(lambda n=number: f if len(f := _runs(world)) == n + 1 else None)
        _complete(world, found[-1]["metadata"]["name"], "Failed")

    ready = eventually(
        lambda: next(
            (
                each
                for each in _status(world).get("conditions", ())
                if each["type"] == "Ready" and each["reason"] == "TooManyFailures"
            ),
            None,
        )
    )

    assert ready["status"] == "False"
    assert len(_runs(world)) == 2
    assert eventually(lambda: "TooManyFailures" in _told(world))


def _told(world: World) -> set[str]:
    """Return the reasons of the events about the Schedule."""
    events = world.list("events")
    return {each["reason"] for each in events if each["involvedObject"]["kind"] == "Schedule"}


def test_a_backfill_makes_the_runs_of_a_stretch(world: World, operator: Operator) -> None:
    world.create_flow()
    backfill = {
        "name": "new-year", "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z",
        "overlapPolicy": "Allow",
    }  # fmt: skip
    _schedule(world, cron="0 */8 * * *", suspend=True, backfills=[backfill])

    done = eventually(lambda: (s := _status(world).get("backfills")) and s[0]["complete"] and s[0])

    assert (done["done"], done["total"]) == (4, 4)
    assert [run["metadata"]["name"] for run in _runs(world)] == [
        "nightly-20260101000000",
        "nightly-20260101080000",
        "nightly-20260101160000",
        "nightly-20260102000000",
    ]


def test_a_run_can_be_asked_for_now(world: World, operator: Operator) -> None:
    world.create_flow()
    _schedule(world, cron="0 0 1 1 *")
    asked = datetime.now(UTC).replace(microsecond=0)

    world.change("schedules", "nightly", {"triggerAt": _wire(asked)})

    (run,) = eventually(lambda: _runs(world))
    assert run["metadata"]["name"] == f"nightly-{asked:%Y%m%d%H%M%S}"


def test_two_operators_and_a_restart_make_no_second_run(world: World, kubeconfig: Path) -> None:
    world.create_flow()
    _schedule(world, **EACH_SECOND, catchUp={"limit": 1000})
    with Operator(kubeconfig, world.namespace) as first:
        first.wait_until_acting()
        eventually(lambda: len(_runs(world)) >= 3)
    time.sleep(2)
    with Operator(kubeconfig, world.namespace) as second:
        second.wait_until_acting()
        seen = len(_runs(world))
        eventually(lambda: len(_runs(world)) >= seen + 3)
        world.change("schedules", "nightly", {"suspend": True})
        eventually(lambda: _status(world).get("paused"))

    status = _status(world)
    names = [run["metadata"]["name"] for run in _runs(world)]
    moments = [datetime.strptime(name[-14:], "%Y%m%d%H%M%S") for name in names]  # noqa: DTZ007
    assert status["started"] == len(names)
    assert moments == [moments[0] + timedelta(seconds=n) for n in range(len(moments))]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"cron": "0 6 * *"}, "five fields"),
        ({"cron": "0 6 * * *", "rrule": "FREQ=DAILY"}, "exactly one of cron"),
        ({}, "exactly one of cron"),
        ({"cron": "0 6 * * *", "timeZone": "Mars/Phobos"}, "no such time zone"),
        ({"cron": "0 6 * * *", "timeZone": "+02:00"}, "no such time zone"),
        ({"cron": "0 6 * * *", "timeZone": "Local"}, "no such time zone"),
        ({"interval": {"seconds": 0}}, "greater than or equal to 1"),
        (
            {
                "cron": "0 6 * * *",
                "startAt": "2026-02-01T00:00:00Z",
                "endAt": "2026-01-01T00:00:00Z",
            },
            "later than startAt",
        ),
        ({"cron": "0 6 * * *", "overlapPolicy": "Maybe"}, "Unsupported value"),
    ],
)
def test_what_makes_no_sense_is_refused(world: World, spec: Object, words: str) -> None:
    with pytest.raises(Refused) as refused:
        _schedule(world, **spec)

    assert words in str(refused.value)


def test_a_name_leaves_room_for_the_moment(world: World) -> None:
    with pytest.raises(Refused, match="at most 36 characters"):
        _schedule(world, "x" * 37, cron="@daily")
