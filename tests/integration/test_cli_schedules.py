"""`penstock schedule` against a real API server, with an operator at work."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import monotonic_ns
from typing import Any

import pytest
from tests.integration.world import Operator, World, eventually
from typer.testing import CliRunner

from penstock.cli.app import app

Penstock = Callable[..., Any]


@pytest.fixture
def penstock(kubeconfig: Path, world: World) -> Penstock:
    """Run `penstock schedule …` in the namespace of the test."""
    place = ("-n", world.namespace, "--kubeconfig", str(kubeconfig))

    def run(command: str, *words: str) -> Any:
        return CliRunner().invoke(app, ["schedule", command, *words, *place])

    return run


@pytest.fixture
def nightly(world: World, operator: Operator) -> str:
    """The name of a schedule that the operator has seen."""
    world.create_flow()
    spec = {"flowRef": {"name": "daily"}, "cron": "30 2 * * *", "timeZone": "Europe/Zurich"}
    world.create("schedules", "Schedule", "nightly", spec)
    eventually(lambda: (world.get("schedules", "nightly") or {}).get("status", {}).get("nextTicks"))
    return "nightly"


def _spec(world: World) -> dict[str, Any]:
    return dict((world.get("schedules", "nightly") or {})["spec"])


def test_schedules_are_listed_with_what_comes_next(penstock: Penstock, nightly: str) -> None:
    table = penstock("list").stdout.splitlines()
    listed = json.loads(penstock("list", "-o", "json").stdout)["items"]

    assert "30 2 * * *" in table[1]
    assert len(listed[0]["status"]["nextTicks"]) == 5


def test_the_next_moments_are_on_the_clock_of_the_schedule_and_in_utc(
    penstock: Penstock, world: World, nightly: str
) -> None:
    title, _, heading, *rows = penstock("next", nightly).stdout.splitlines()
    listed = json.loads(penstock("next", nightly, "-o", "json").stdout)

    assert title == "30 2 * * * (Europe/Zurich)"
    assert heading.split() == ["DAY", "TIME", "OFFSET", "UTC", "IN"]
    assert {row.split()[2] for row in rows} == {"02:30:00"}
    assert listed == {"timeZone": "Europe/Zurich", "ticks": [row.split()[4] for row in rows]}
    assert len(rows) == 5


def test_a_schedule_is_suspended_and_goes_on(
    penstock: Penstock, world: World, nightly: str
) -> None:
    said = penstock("suspend", nightly).stdout
    held = _spec(world)["suspend"]
    penstock("resume", nightly)

    assert (said, held, _spec(world)["suspend"]) == ("nightly is suspended\n", True, False)


def test_a_run_is_asked_for_now(penstock: Penstock, world: World, nightly: str) -> None:
    said = penstock("trigger", nightly).stdout

    run = eventually(lambda: world.get("flowruns", said.split()[0]))
    assert run["spec"]["flowRef"] == {"name": "daily"}


def test_a_stretch_is_backfilled_and_given_up(
    penstock: Penstock, world: World, nightly: str
) -> None:
    done = penstock("backfill", nightly, "--start", "2026-01-01", "--end", "2026-01-31")
    name = done.stdout.split(": ")[1].strip()
    first = eventually(lambda: world.get("flowruns", "nightly-20260101013000"))
    unknown = penstock("give-up", nightly, "february")
    penstock("give-up", nightly, name)

    assert first["metadata"]["labels"]["penstock.dev/backfill"] == name
    assert unknown.exit_code == 2
    assert f"it has {name}" in unknown.stderr
    assert _spec(world)["backfills"] == []


def test_a_day_of_a_backfill_counts_whole_and_on_the_clock_of_the_schedule(
    penstock: Penstock, world: World, nightly: str
) -> None:
    done = penstock("backfill", nightly, "--start", "2026-02-01", "--end", "2026-02-03")

    (asked,) = _spec(world)["backfills"]
    assert (asked["start"], asked["end"]) == ("2026-01-31T23:00:00Z", "2026-02-03T22:59:59Z")
    assert "3 runs, from 2026-02-01 00:00:00+01:00 to 2026-02-03 23:59:59+01:00" in done.stderr
    assert done.exit_code == 0


def test_a_backfill_that_ends_before_it_starts_is_refused(
    penstock: Penstock, world: World, nightly: str
) -> None:
    done = penstock("backfill", nightly, "--start", "2026-02-03", "--end", "2026-02-01")

    assert done.exit_code == 2
    assert "--end 2026-02-01 is before 2026-02-03" in done.stderr
    assert not _spec(world).get("backfills")


@pytest.mark.parametrize(
    ("schedule", "stretch", "words"),
    [
        pytest.param(
            {"interval": {"seconds": 20}}, ("2020-03-01", "2026-03-03"),
            "is due more than 10,000 times from 2020-03-01 00:00:00+00:00", id="too many",
        ),
        pytest.param(
            {"cron": "0 6 * * mon"}, ("2026-02-03", "2026-02-08"), "is never due from", id="none"
        ),
        pytest.param(
            {"cron": "0 6 * * foo"}, ("2026-02-03", "2026-02-08"), "'foo' means nothing", id="rule"
        ),
    ],
)  # fmt: skip
def test_a_backfill_that_the_operator_would_not_begin_is_not_asked_for(
    penstock: Penstock,
    world: World,
    schedule: dict[str, Any],
    stretch: tuple[str, str],
    words: str,
) -> None:
    world.create("schedules", "Schedule", "nightly", {"flowRef": {"name": "daily"}, **schedule})

    done = penstock("backfill", "nightly", "--start", stretch[0], "--end", stretch[1])

    assert done.exit_code == 2
    assert words in done.stderr
    assert not _spec(world).get("backfills")


def test_a_backfill_that_is_done_is_not_done_again(
    penstock: Penstock, world: World, nightly: str
) -> None:
    none = ("--start", "2026-01-01", "--end", "2026-01-01", "--name", "one")
    penstock("backfill", nightly, *none)
    eventually(lambda: world.get("flowruns", "nightly-20260101013000"))
    world.cancel("nightly-20260101013000")
    eventually(lambda: _done_backfills(world) == {"one"})

    again = penstock("backfill", nightly, *none)

    assert again.exit_code == 0
    assert "nightly has been backfilled already: one" in again.stdout


def test_a_list_that_is_full_loses_a_backfill_that_is_done_or_takes_no_more(
    penstock: Penstock, world: World, nightly: str
) -> None:
    later = [
        {"name": f"b-{n}", "start": "2027-01-01T00:00:00Z", "end": f"2027-01-{n:02}T00:00:00Z"}
        for n in range(2, 17)
    ]
    done = {"name": "done", "start": "2026-01-01T09:00:00Z", "end": "2026-01-01T10:00:00Z"}
    world.change("schedules", nightly, {"backfills": [*later, done]})
    eventually(lambda: _done_backfills(world) == {"done"})

    fits = penstock("backfill", nightly, "--start", "2027-02-01", "--end", "2027-02-02")
    full = penstock("backfill", nightly, "--start", "2027-02-01", "--end", "2027-02-03")

    assert fits.exit_code == 0, fits.stderr
    assert "done" not in {each["name"] for each in _spec(world)["backfills"]}
    assert full.exit_code == 2
    assert "penstock schedule give-up nightly b-2" in full.stderr


def _done_backfills(world: World) -> set[str]:
    status = (world.get("schedules", "nightly") or {}).get("status", {})
    return {each["name"] for each in status.get("backfills", ()) if each["complete"]}


def test_a_backfill_is_asked_for_while_others_write_the_schedule(
    penstock: Penstock, world: World, nightly: str
) -> None:
    done = Event()

    def keep_writing() -> None:
        while not done.wait(0.02):
            labels = {"metadata": {"labels": {"at": f"{monotonic_ns()}"}}}
            world.api.merge(world.path("schedules", nightly), labels)

    with ThreadPoolExecutor() as threads:
        others = threads.submit(keep_writing)
        asked = [
            penstock("backfill", nightly, "--start", f"1999-01-{day:02}", "--end", "1999-01-31")
            for day in range(1, 11)
        ]
        done.set()
        others.result()

    assert [each.exit_code for each in asked] == [0] * 10, asked[-1].stderr
    assert len(_spec(world)["backfills"]) == 10


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["suspend", "nihgtly"], id="suspend"),
        pytest.param(["trigger", "nihgtly"], id="trigger"),
        pytest.param(["next", "nihgtly"], id="next"),
        pytest.param(["give-up", "nihgtly", "x"], id="give-up"),
        pytest.param(
            ["backfill", "nihgtly", "--start", "2026-01-01", "--end", "2026-01-02"], id="backfill"
        ),
    ],
)
def test_a_schedule_that_is_not_there_is_named_with_its_nearest(
    penstock: Penstock, world: World, words: list[str]
) -> None:
    spec = {"flowRef": {"name": "daily"}, "cron": "30 2 * * *"}
    world.create("schedules", "Schedule", "nightly", spec)

    done = penstock(*words)

    assert done.exit_code == 2
    assert "There is no schedule 'nihgtly'" in done.stderr
    assert "did you mean nightly?" in done.stderr


def test_a_namespace_without_schedules_says_how_to_write_one(penstock: Penstock) -> None:
    done = penstock("resume", "nightly")

    assert done.exit_code == 2
    assert "penstock render FILE:FLOW --image IMAGE --cron" in done.stderr
