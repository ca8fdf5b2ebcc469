"""A Flow's own limit on a real API server: who waits, who is cancelled, and who goes for whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.world import Operator, World, eventually

Object = dict[str, Any]


def _flow(world: World, name: str = "daily", *, limit: int = 1, strategy: str = "Enqueue") -> None:
    world.create_flow(name, concurrency={"limit": limit, "strategy": strategy})


def _start(world: World, run: str, flow: str = "daily", **spec: Any) -> None:
    world.create_run(run, flow, **spec)
    world.wait_for_job(f"{run}-1", within=60)
    world.start_job(f"{run}-1")
    world.report(run, attempt=1)
    world.wait_for_state(run, "Running", within=60)


def _finish(world: World, run: str, state: str = "Completed", *, attempt: int = 1) -> None:
    world.report_outcome(run, state, attempt=attempt, reason=state)
    world.wait_for_state(run, state, within=60)


def test_a_run_beyond_the_limit_waits_for_its_flow_and_holds_up_no_other(
    world: World, operator: Operator
) -> None:
    world.create_pool(concurrency=2)
    _flow(world)
    world.create_flow("other")
    _start(world, "r0")
    world.create_run("r1")
    world.create_run("r2")
    status = world.wait_for_reason("r2", "WaitingForSlot", within=60)
    _start(world, "x0", "other")

    _finish(world, "r0")

    world.wait_for_job("r1-1", within=60)
    assert {key: status["waitingFor"][key] for key in ("kind", "name", "ahead")} == {
        "kind": "Flow",
        "name": "daily",
        "ahead": 1,
    }
    assert "its Flow daily lets 1 run be at work at once; 1 run was ahead" in status["message"]
    assert not world.jobs_of("r2")


def test_a_limit_needs_none_of_the_pool_and_counts_at_once(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    _flow(world)
    _start(world, "r0")
    world.create_run("r1")
    world.wait_for_reason("r1", "WaitingForSlot", within=60)

    world.change("flows", "daily", {"concurrency": {"limit": 2}})

    world.wait_for_job("r1-1", within=60)


def test_a_run_too_many_is_cancelled_with_the_reason(world: World, operator: Operator) -> None:
    world.create_pool()
    _flow(world, strategy="CancelNew")
    _start(world, "r0")

    world.create_run("r1")

    status = world.wait_for_state("r1", "Cancelled", within=60)
    assert status["reason"] == "FlowLimitReached"
    assert "as may be (1) were at work" in status["message"]
    assert world.status("r0")["state"] == "Running"
    assert not world.jobs_of("r1")


def test_the_oldest_makes_room_and_the_new_one_starts_when_it_is_gone(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    _flow(world, limit=2, strategy="CancelRunning")
    _start(world, "r0")
    _start(world, "r1")

    world.create_run("r2")
    cancelling = world.wait_for_state("r0", "Cancelling", within=60)
    still_waits = world.wait_for_reason("r2", "WaitingForSlot", within=60)
    _finish(world, "r0", "Cancelled")

    world.wait_for_job("r2-1", within=60)
    assert cancelling["reason"] == world.status("r0")["reason"] == "Superseded"
    assert "its Flow prefers newer runs" in world.status("r0")["message"]
    assert still_waits["waitingFor"]["kind"] == "Flow"
    assert world.status("r1")["state"] == "Running"


def test_what_has_begun_to_be_cancelled_ends_although_the_newer_run_is_gone(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    _flow(world, strategy="CancelRunning")
    _start(world, "r0")
    world.create_run("r1")
    world.wait_for_state("r0", "Cancelling", within=60)

    world.cancel("r1")
    world.wait_for_state("r1", "Cancelled", within=60)
    world.remove_job("r0-1")

    assert world.wait_for_state("r0", "Cancelled", within=60)["reason"] == "Superseded"


def test_a_run_that_waits_without_a_pod_counts_no_more_until_it_goes_on(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    _flow(world, strategy="CancelNew")
    _start(world, "r0")
    world.leave("r0", "Signal", attempt=1, name="go")
    world.wait_for_state("r0", "Suspended", within=60)

    _start(world, "r1")
    world.send("r0", "go")
    waits = world.wait_for_reason("r0", "WaitingForSlot", within=60)
    _finish(world, "r1")

    world.wait_for_job("r0-2", within=60)
    assert waits["state"] == "Scheduled"


def test_another_operator_finds_who_is_at_work_and_who_waits(
    world: World, kubeconfig: Path
) -> None:
    with Operator(kubeconfig, world.namespace) as first:
        first.wait_until_acting()
        world.create_pool()
        _flow(world)
        _start(world, "r0")
        world.create_run("r1")
        world.wait_for_reason("r1", "WaitingForSlot", within=60)
    world.create_run("r2")
    with Operator(kubeconfig, world.namespace) as second:
        second.wait_until_acting()
        world.wait_for_reason("r2", "WaitingForSlot", within=60)
        jobs_before = [*world.jobs_of("r1"), *world.jobs_of("r2")]
        _finish(world, "r0")

        world.wait_for_job("r1-1", within=60)
        assert jobs_before == []
        assert not world.jobs_of("r2")


def test_a_flow_names_the_queue_of_its_runs(world: World, operator: Operator) -> None:
    world.create_pool(concurrency=0, queues=[{"name": "urgent", "priority": 10}])
    world.create_flow(queue="urgent")
    world.create_run("r0")
    world.create_run("r1", queue="default")
    for run in ("r0", "r1"):
        world.wait_for_reason(run, "WaitingForSlot", within=60)
    messages = [world.status(run)["message"] for run in ("r0", "r1")]

    world.change("workpools", "default", {"concurrency": 1})

    world.wait_for_job("r0-1", within=60)
    assert ["queue urgent" in each for each in messages] == [True, False]
    pool = eventually(
        lambda: (
            s
            if (s := (world.get("workpools", "default") or {})["status"]).get("active") == 1
            else None
        )
    )
    assert {each["name"]: each["active"] for each in pool["queues"]} == {"default": 0, "urgent": 1}
