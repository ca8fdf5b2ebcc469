"""Runs that wait without a pod, and what wakes them, on a real API server."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.world import Operator, World, eventually


def finish(world: World, run: str, *, attempt: int, **execution: object) -> None:
    world.wait_for_job(f"{run}-{attempt}")
    world.report_outcome(run, attempt=attempt, **execution)
    world.wait_for_state(run, "Completed")


def test_a_run_sleeps_without_a_pod_and_goes_on_when_it_is_due(
    world: World, operator: Operator
) -> None:
    world.start_run()

    world.leave("one", attempt=1, seconds=3)
    status = world.wait_for_state("one", "Suspended")
    job = world.wait_for_job("one-2")

    until = datetime.fromisoformat(status["waitingFor"]["until"])
    created = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
    assert until <= created <= until + timedelta(seconds=2)
    finish(world, "one", attempt=2)
    assert world.status("one")["recoveries"] == 0


def test_what_a_run_published_can_be_read_while_it_has_no_pod(
    world: World, operator: Operator
) -> None:
    world.start_run()
    world.leave("one", "Signal", attempt=1, name="approve", values={"stage": "asked", "of": [None]})

    status = world.wait_for_reason("one", "WaitingForSignal")

    assert status["execution"]["values"] == {"stage": "asked", "of": [None]}


def test_a_sleep_takes_four_writes_at_most(world: World, operator: Operator) -> None:
    world.start_run()
    assert operator.calls is not None
    time.sleep(0.5)  # a write is noted when it is answered, and seen before
    operator.calls.requests.clear()

    world.leave("one", attempt=1, seconds=1.5)
    world.wait_for_job("one-2")
    world.report("one", attempt=2)
    world.wait_for_state("one", "Running")

    time.sleep(0.5)
    writes = operator.calls.writes(of="one")
    # An operator that comes to it when the sleep is over does not say first that it sleeps.
    assert writes[-3:] == ["PATCH flowruns/status", "POST jobs", "PATCH flowruns/status"]
    assert writes[:-3] in ([], ["PATCH flowruns/status"])


def test_a_signal_wakes_the_run_that_waits_for_it(world: World, operator: Operator) -> None:
    world.start_run()
    world.leave("one", "Signal", attempt=1, name="approve")
    world.wait_for_reason("one", "WaitingForSignal")

    world.send("one", "approve", payload={"limit": 5})
    finish(world, "one", attempt=2, signals=[{"name": "hello", "state": "Consumed"}])

    signal = eventually(lambda: _settled(world, "hello"))
    uid = world.get("flowruns", "one")["metadata"]["uid"]  # type: ignore[index]
    assert signal["status"] == {"state": "Consumed", "flowRunUID": uid}


def test_an_update_gets_its_answer(world: World, operator: Operator) -> None:
    world.start_run()
    schema = {"type": "integer", "default": None}
    world.leave("one", "Signal", attempt=1, name="limit", payloadSchema=schema)
    waiting = world.wait_for_reason("one", "WaitingForSignal")["waitingFor"]

    world.send("one", "limit", payload=5)
    world.wait_for_job("one-2")
    world.report("one", attempt=2, signals=[{"name": "hello", "state": "Received"}])
    world.wait_for_state("one", "Running")
    open_still = world.get("signals", "hello")
    answer = {"limit": 5, "before": None, "steps": [1, None]}
    world.report(
        "one", attempt=2, signals=[{"name": "hello", "state": "Consumed", "answer": answer}]
    )

    signal = eventually(lambda: _settled(world, "hello"))
    assert waiting["payloadSchema"] == schema
    assert open_still is not None
    assert open_still["status"]["state"] == "Pending"
    assert signal["status"]["state"] == "Consumed"
    assert signal["status"]["answer"] == answer


@pytest.mark.parametrize("answer", ["yes", 5, True, 1.5, [1, None]], ids=repr)
def test_an_answer_is_any_json(world: World, operator: Operator, answer: object) -> None:
    world.start_run()
    world.send("one", "limit")

    world.report_outcome(
        "one", attempt=1, signals=[{"name": "hello", "state": "Consumed", "answer": answer}]
    )

    signal = eventually(lambda: _settled(world, "hello"))
    assert signal["status"]["answer"] == answer


def test_a_signal_that_came_first_is_not_lost(world: World, operator: Operator) -> None:
    world.send("one", "approve")
    world.start_run()

    world.leave("one", "Signal", attempt=1, name="approve")

    finish(world, "one", attempt=2)


def test_signals_that_came_too_late_are_refused(world: World, operator: Operator) -> None:
    world.start_run()
    world.send("one", "approve", name="during")
    world.report_outcome("one", attempt=1)
    world.wait_for_state("one", "Completed")
    world.send("one", "approve", name="after")

    refused = [eventually(lambda n=name: _settled(world, n)) for name in ("during", "after")]

    assert [each["status"]["state"] for each in refused] == ["Rejected", "Rejected"]
    assert "ended as Completed" in refused[0]["status"]["message"]


def test_a_payload_beyond_the_limit_is_refused(world: World, operator: Operator) -> None:
    world.start_run()

    world.send("one", "approve", payload={"rows": ["x" * 1000] * 20})

    signal = eventually(lambda: _settled(world, "hello"))
    assert "at most 16384" in signal["status"]["message"]


def _settled(world: World, name: str) -> dict[str, object] | None:
    signal = world.get("signals", name)
    return signal if signal and signal["status"]["state"] != "Pending" else None


def test_a_running_run_is_suspended_and_resumed(world: World, operator: Operator) -> None:
    world.start_run()

    world.suspend("one")
    world.wait_for_reason("one", "SuspendRequested")
    eventually(lambda: (world.get("jobs", "one-1") or {})["metadata"].get("deletionTimestamp"))
    world.report("one", attempt=1, suspension={"kind": "Suspend", "since": _now()})
    world.finish_deletion("jobs", "one-1")
    world.wait_for_state("one", "Suspended")
    time.sleep(0.5)
    jobs = world.jobs_of("one")
    world.suspend("one", suspend=False)

    assert jobs == []
    finish(world, "one", attempt=2)
    assert world.status("one")["recoveries"] == 0


def test_a_pool_is_suspended_with_what_runs_in_it(world: World, operator: Operator) -> None:
    world.start_run()

    world.change("workpools", "default", {"suspend": "Running"})
    world.wait_for_reason("one", "SuspendRequested", within=60)
    eventually(lambda: (world.get("jobs", "one-1") or {})["metadata"].get("deletionTimestamp"))
    world.report("one", attempt=1, suspension={"kind": "Suspend", "since": _now()})
    world.finish_deletion("jobs", "one-1")
    status = world.wait_for_state("one", "Suspended", within=60)
    shown = world.api.kubectl("-n", world.namespace, "get", "workpool/default").stdout
    world.change("workpools", "default", {"suspend": False})

    finish(world, "one", attempt=2)
    assert status["waitingFor"]["kind"] == "WorkPool"
    assert "Running" in shown


def test_a_pod_that_leaves_without_a_word_when_it_is_suspended_is_no_loss(
    world: World, operator: Operator
) -> None:
    world.start_run()
    world.suspend("one")
    eventually(lambda: (world.get("jobs", "one-1") or {})["metadata"].get("deletionTimestamp"))

    world.finish_deletion("jobs", "one-1")
    world.wait_for_state("one", "Suspended")
    world.suspend("one", suspend=False)

    finish(world, "one", attempt=2)
    assert world.status("one")["recoveries"] == 0


def test_a_run_that_is_created_suspended_waits_for_its_release(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    world.create_flow()
    world.create_run("one", suspend=True)
    world.wait_for_state("one", "Suspended")
    jobs = world.jobs_of("one")

    world.suspend("one", suspend=False)

    assert jobs == []
    finish(world, "one", attempt=1)


def test_a_sleeping_run_is_cancelled_at_once(world: World, operator: Operator) -> None:
    world.start_run()
    world.leave("one", attempt=1, seconds=3600)
    world.wait_for_state("one", "Suspended")

    world.cancel("one")

    world.wait_for_state("one", "Cancelled")
    assert [job["metadata"]["name"] for job in world.jobs_of("one")] == ["one-1"]


def test_the_timeout_ends_a_run_that_sleeps(world: World, operator: Operator) -> None:
    world.start_run(timeoutSeconds=3)
    world.leave("one", attempt=1, seconds=3600)
    world.wait_for_state("one", "Suspended")

    status = world.wait_for_state("one", "Failed")

    assert status["reason"] == "TimedOut"


def test_an_operator_that_starts_late_wakes_what_is_due(world: World, kubeconfig: Path) -> None:
    with Operator(kubeconfig, world.namespace):
        world.start_run()
        world.leave("one", attempt=1, seconds=2)
    time.sleep(2.5)
    jobs = [job["metadata"]["name"] for job in world.jobs_of("one")]

    with Operator(kubeconfig, world.namespace):
        finish(world, "one", attempt=2)

    assert jobs == ["one-1"]
    assert world.status("one")["recoveries"] == 0


def test_signals_go_with_their_run(world: World, kubeconfig: Path) -> None:
    with Operator(kubeconfig, world.namespace, first_resync_seconds=0.5, resync_seconds=1.0):
        world.start_run()
        world.send("one", "approve")
        world.send("two", "approve", name="early")
        eventually(lambda: _bound(world, "hello"))

        world.api.delete(world.path("flowruns", "one"))

        eventually(lambda: world.get("signals", "hello") is None, within=60)
        assert world.get("signals", "early") is not None


def _bound(world: World, name: str) -> bool:
    signal = world.get("signals", name)
    return bool(signal and signal["status"].get("flowRunUID"))


def _now() -> str:
    return datetime.now(UTC).isoformat()
