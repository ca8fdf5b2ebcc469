"""Reruns, persons' words and last launches, on a real API server."""

from __future__ import annotations

import time
from pathlib import Path

from tests.integration.world import Operator, World, eventually

from penstock_operator.reconcile.settings import Settings


def test_a_rerun_starts_when_the_run_that_it_names_has_ended(
    world: World, operator: Operator
) -> None:
    world.start_run()
    world.create_run("two", rerunOf={"name": "one"})
    waiting = world.wait_for_reason("two", "WaitingForRun")

    world.report_outcome("one", attempt=1, state="Failed", reason="FlowFailed")
    world.wait_for_job("two-1")

    assert waiting["waitingFor"]["name"] == "one"
    assert world.status("two")["state"] == "Pending"


def test_a_rerun_of_nothing_fails_with_a_sentence(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()

    world.create_run("two", rerunOf={"name": "one", "from": "Start"})
    status = world.wait_for_state("two", "Failed")

    assert status["reason"] == "RerunImpossible"
    assert "The run one, with whose journal" in status["message"]


def test_a_run_that_waits_for_a_person_goes_on_at_their_word(
    world: World, operator: Operator
) -> None:
    world.start_run()
    world.leave(
        "one",
        "Person",
        attempt=1,
        reason="ResultUnreadable",
        name="load(load)",
        message="No module named shop.",
    )
    waiting = world.wait_for_reason("one", "ResultUnreadable")
    stalled = world.condition("one", "Stalled")

    world.change("flowruns", "one", {"resume": {"attempt": 1}})
    world.wait_for_job("one-2")

    assert waiting["waitingFor"]["kind"] == "Person"
    assert stalled == "True"


def test_a_run_without_a_pod_is_rolled_back_by_one_last_launch(
    world: World, operator: Operator
) -> None:
    world.start_run()
    world.leave("one", attempt=1, seconds=3600, journal={"entries": 2, "rollbacksOwed": True})
    world.wait_for_state("one", "Suspended")

    world.cancel("one")
    world.wait_for_job("one-2")
    during = world.wait_for_reason("one", "RollingBack")
    world.start_job("one-2")
    world.report_outcome("one", attempt=2, state="Cancelled", reason="CancelRequested")
    ended = world.wait_for_state("one", "Cancelled")

    assert (during["state"], during["ending"]["state"]) == ("Cancelling", "Cancelled")
    assert "rolled back" in ended["message"]
    assert "ending" not in ended


def test_a_result_that_is_not_stored_is_a_condition_of_the_run(
    world: World, operator: Operator
) -> None:
    world.start_run()

    world.report("one", attempt=1, journal={"entries": 1, "unstored": 1, "unstoredTask": "load"})

    assert eventually(lambda: world.condition("one", "Durable") == "False")


def test_changed_code_is_told_in_an_event(world: World, operator: Operator) -> None:
    world.start_run()

    world.report("one", attempt=1, journal={"entries": 1, "codeChanged": True})

    told = eventually(
        lambda: [each for each in world.list("events") if each["involvedObject"]["name"] == "one"]
    )
    assert [each["reason"] for each in told] == ["CodeChanged"]


def test_a_namespace_whose_journals_are_full_is_measured_and_its_launches_are_told(
    world: World, kubeconfig: Path
) -> None:
    settings = Settings(
        runner_image="runner:test", runner_cluster_role="penstock-runner", journals_cap=4096
    )
    operator = Operator(
        kubeconfig,
        world.namespace,
        settings=settings,
        first_resync_seconds=1.0,
        resync_seconds=1.0,
    )
    with operator:
        world.start_run()
        world.report("one", attempt=1, journal={"entries": 9, "bytes": 4000})
        world.create_run("two")
        before = world.wait_for_job("two-1")
        world.report_outcome("two", attempt=1, journal={"entries": 9, "bytes": 96})
        world.wait_for_state("two", "Completed")
        after = eventually(lambda: _told_launch(world), within=30)

    assert "PENSTOCK_JOURNALS_FULL" not in str(before)
    assert "PENSTOCK_JOURNALS_FULL" in str(after)


def _told_launch(world: World) -> object:
    """Launch another run; return its Job if that is told that there is no room."""
    time.sleep(1)
    name = f"three-{time.monotonic_ns()}"
    world.create_run(name)
    job = world.wait_for_job(f"{name}-1")
    return job if "PENSTOCK_JOURNALS_FULL" in str(job) else None
