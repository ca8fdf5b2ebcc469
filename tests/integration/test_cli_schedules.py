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
    upcoming = penstock("next", nightly).stdout.splitlines()

    assert "30 2 * * *" in table[1]
    assert upcoming == listed[0]["status"]["nextTicks"]
    assert len(upcoming) == 5


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


def test_a_schedule_that_is_not_there_is_named(penstock: Penstock) -> None:
    done = penstock("suspend", "weekly")

    assert done.exit_code == 2
    assert "weekly" in done.stderr
