"""Pools with slots on a real API server: who waits, who is next, and what changes that."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.integration.apiserver import Refused
from tests.integration.world import Operator, World, eventually

Object = dict[str, Any]

AT_WORK = ("Pending", "Running")


def _create(world: World, *names: str, **spec: Any) -> None:
    for name in names:
        world.create_run(name, **spec)


def _at_work(world: World) -> set[str]:
    runs = world.list("flowruns")
    return {
        run["metadata"]["name"] for run in runs if run.get("status", {}).get("state") in AT_WORK
    }


def _make_pool(world: World, **spec: Any) -> None:
    """Create a pool and wait until runs can start in it: what comes sooner has to wait for that,
    and its turn is only known when it is over."""
    world.create_pool(**spec)
    eventually(lambda: _pool_status(world).get("observedGeneration", -1) > 0)


def _settled(world: World, runs: int) -> None:
    """Wait until each run is at work or in line."""
    statuses = lambda: [world.status(f"r{n}") for n in range(runs)]  # noqa: E731
    eventually(lambda: all(_is_settled(status) for status in statuses()))


def _is_settled(status: Object) -> bool:
    return status.get("state") in AT_WORK or status.get("reason") == "WaitingForSlot"


def _pool_status(world: World) -> Object:
    status: Object = (world.get("workpools", "default") or {}).get("status", {})
    return status


def _finish(world: World, run: str, *, attempt: int = 1) -> None:
    world.wait_for_job(f"{run}-{attempt}")
    world.report_outcome(run, attempt=attempt)
    world.wait_for_state(run, "Completed")


def test_ten_runs_share_two_slots_in_the_order_in_which_they_came(
    world: World, operator: Operator
) -> None:
    _make_pool(world, concurrency=2)
    world.create_flow()
    _create(world, *(f"r{n}" for n in range(10)))
    most, order = 0, []

    for left in range(10, 0, -1):
        working = eventually(lambda n=left: w if len(w := _at_work(world)) >= min(2, n) else None)
        most = max(most, len(_at_work(world)))
        first = min(working, key=lambda name: int(name[1:]))
        order.append(first)
        _finish(world, first)

    assert most <= 2
    assert order == [f"r{n}" for n in range(10)]


def test_a_run_that_waits_says_for_what_and_how_many_are_ahead(
    world: World, operator: Operator
) -> None:
    _make_pool(world, concurrency=1)
    world.create_flow()
    _create(world, "r0", "r1", "r2")

    status = world.wait_for_reason("r2", "WaitingForSlot")

    assert status["state"] == "Scheduled"
    assert {key: status["waitingFor"][key] for key in ("kind", "name", "ahead")} == {
        "kind": "Slot",
        "name": "default",
        "ahead": 1,
    }
    assert "1 run was ahead of it" in status["message"]
    assert not world.jobs_of("r2")


def test_the_next_run_starts_when_a_slot_comes_free(world: World, operator: Operator) -> None:
    _make_pool(world, concurrency=1)
    world.create_flow()
    _create(world, "r0")
    world.wait_for_job("r0-1")
    _create(world, "r1")
    world.wait_for_reason("r1", "WaitingForSlot")

    world.report_outcome("r0", attempt=1)

    assert world.wait_for_job("r1-1")


def test_the_limit_can_be_changed_both_ways(world: World, operator: Operator) -> None:
    _make_pool(world, concurrency=1)
    world.create_flow()
    _create(world, *(f"r{n}" for n in range(4)))
    _settled(world, 4)
    assert _at_work(world) == {"r0"}

    world.change("workpools", "default", {"concurrency": 3})
    eventually(lambda: _at_work(world) == {"r0", "r1", "r2"})
    world.change("workpools", "default", {"concurrency": 1})
    _finish(world, "r0")
    _finish(world, "r1")
    time.sleep(0.5)

    assert _at_work(world) == {"r2"}


def test_kubectl_scales_a_pool(world: World, operator: Operator) -> None:
    _make_pool(world, concurrency=0)
    world.create_flow()
    _create(world, "r0")
    world.wait_for_reason("r0", "WaitingForSlot")

    done = world.api.kubectl("-n", world.namespace, "scale", "workpool/default", "--replicas=1")

    assert done.returncode == 0, done.stderr
    world.wait_for_job("r0-1")


def test_queues_and_priorities_say_who_is_next(world: World, operator: Operator) -> None:
    _make_pool(world, concurrency=0, queues=[{"name": "urgent", "priority": 10, "concurrency": 1}])
    world.create_flow()
    _create(world, "r0")
    _create(world, "r1", priority=5)
    _create(world, "r2", "r3", queue="urgent")
    _settled(world, 4)

    world.change("workpools", "default", {"concurrency": 2})

    eventually(lambda: _at_work(world) == {"r1", "r2"})


def test_a_priority_that_is_raised_overtakes(world: World, operator: Operator) -> None:
    _make_pool(world, concurrency=1)
    world.create_flow()
    _create(world, "r0", "r1", "r2")
    _settled(world, 3)

    world.change("flowruns", "r2", {"priority": 7})
    time.sleep(0.3)
    _finish(world, "r0")

    eventually(lambda: _at_work(world) == {"r2"})


def test_a_queue_that_the_pool_lacks_is_waited_for(world: World, operator: Operator) -> None:
    _make_pool(world, concurrency=1)
    world.create_flow()
    _create(world, "r0", queue="urgent")
    status = world.wait_for_reason("r0", "QueueNotFound")

    world.change("workpools", "default", {"queues": [{"name": "urgent"}]})

    assert "Add it to the pool's spec.queues" in status["message"]
    world.wait_for_job("r0-1")


def test_a_run_that_waits_without_a_pod_leaves_its_slot_and_takes_one_again(
    world: World, operator: Operator
) -> None:
    _make_pool(world, concurrency=1)
    world.create_flow()
    _create(world, "r0")
    world.wait_for_job("r0-1")
    world.start_job("r0-1")
    world.report("r0", attempt=1)
    world.wait_for_state("r0", "Running")
    _create(world, "r1")

    world.leave("r0", "Signal", attempt=1, name="go")
    world.wait_for_job("r1-1")
    world.send("r0", "go")
    world.wait_for_reason("r0", "WaitingForSlot")
    _finish(world, "r1")

    world.wait_for_job("r0-2")


def test_the_pool_shows_its_use(world: World, operator: Operator) -> None:
    _make_pool(world, concurrency=1, queues=[{"name": "urgent"}])
    world.create_flow()
    _create(world, "r0", "r1")
    _create(world, "r2", queue="urgent")

    status = eventually(lambda: s if (s := _pool_status(world)).get("queued") == 2 else None)

    assert status["active"] == 1
    assert {each["name"]: (each["active"], each["queued"]) for each in status["queues"]} == {
        "default": (1, 1),
        "urgent": (0, 1),
    }
    assert status["oldestWaitSeconds"] >= 0
    assert operator.app is not None
    urgent = f'namespace="{world.namespace}",pool="default",queue="urgent"'
    assert f"penstock_pool_queued_runs{{{urgent}}} 1.0" in operator.app.metrics.text().decode()


def test_another_operator_finds_the_slots_as_they_are(world: World, kubeconfig: Path) -> None:
    with Operator(kubeconfig, world.namespace) as first:
        first.wait_until_acting()
        _make_pool(world, concurrency=2)
        world.create_flow()
        _create(world, *(f"r{n}" for n in range(6)))
        _settled(world, 6)
    with Operator(kubeconfig, world.namespace) as second:
        second.wait_until_acting()
        time.sleep(1)
        held = _at_work(world)
        _finish(world, "r0")
        eventually(lambda: len(_at_work(world)) == 2)

        assert held == {"r0", "r1"}
        assert _at_work(world) == {"r1", "r2"}


def test_a_flood_of_runs_leaves_the_writes_few(world: World, operator: Operator) -> None:
    _make_pool(world, concurrency=1)
    world.create_flow()
    assert operator.calls is not None
    eventually(lambda: _pool_status(world).get("conditions"))
    runs = [f"r{n:02}" for n in range(40)]
    _create(world, "r00")
    world.wait_for_job("r00-1")
    _create(world, *runs[1:])
    for run in runs[1:]:
        world.wait_for_reason(run, "WaitingForSlot")
    operator.calls.requests.clear()

    for number in range(5):
        _finish(world, f"r{number:02}")
    time.sleep(0.5)

    writes = [each for each in operator.calls.writes() if each == "PATCH flowruns/status"]
    assert len(writes) <= 5 * 3 + 3


def test_a_queue_cannot_be_changed_and_a_priority_can(world: World) -> None:
    _create(world, "r0", queue="urgent")

    with pytest.raises(Refused, match="create another run"):
        world.change("flowruns", "r0", {"queue": "other"})

    assert world.change("flowruns", "r0", {"priority": 3})["spec"]["priority"] == 3


def test_the_time_of_waiting_is_told(world: World, operator: Operator) -> None:
    _make_pool(world, concurrency=1)
    world.create_flow()
    _create(world, "r0", "r1")

    waiting = world.wait_for_reason("r1", "WaitingForSlot")["waitingFor"]

    created = (world.get("flowruns", "r1") or {})["metadata"]["creationTimestamp"]
    assert datetime.fromisoformat(waiting["since"]) >= datetime.fromisoformat(created)
