"""A run from its creation to each of its ends, as the API server sees it."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from tests.integration.world import Operator, World, eventually


def test_a_run_completes_with_four_writes_of_the_operator(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    eventually(lambda: (world.get("flows", "daily") or {}).get("status", {}).get("codeVersion"))
    eventually(lambda: world.get("serviceaccounts", "penstock-runner"))
    world.create_run("first")  # creates the snapshot, once for all runs of this version
    world.wait_for_job("first-1")
    assert operator.calls is not None
    world.create_run("second")

    world.wait_for_job("second-1")
    world.start_job("second-1")
    world.report("second", attempt=1, progress="0/2")
    world.wait_for_state("second", "Running")
    world.report("second", attempt=1, progress="1/2")
    world.report_outcome("second", attempt=1)
    status = world.wait_for_state("second", "Completed")
    world.complete_job("second-1")

    time.sleep(0.5)
    assert operator.calls.writes(of="second") == [
        "PATCH flowruns/status",
        "POST jobs",
        "PATCH flowruns/status",
        "PATCH flowruns/status",
    ]
    assert status["attempt"] == 1
    assert status["jobName"] == "second-1"
    assert datetime.fromisoformat(status["startedAt"]) <= datetime.fromisoformat(
        status["finishedAt"]
    )
    assert world.condition("second", "Succeeded") == "True"
    assert world.condition("second", "Reconciling") in (None, "False")


def test_the_attempt_is_fenced_before_its_job_exists(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    world.create_run("one")

    job = world.wait_for_job("one-1")

    status = world.status("one")
    assert status["attempt"] == 1
    assert status["state"] == "Pending"
    assert job["metadata"]["ownerReferences"][0]["name"] == "one"
    assert job["metadata"]["labels"]["penstock.dev/attempt"] == "1"


def test_a_runs_snapshot_holds_its_code(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    world.create_run("one")
    world.wait_for_job("one-1")

    version = world.status("one")["codeVersion"]
    snapshot = world.get("configmaps", f"daily-{version}")

    assert snapshot is not None
    assert snapshot["immutable"] is True
    assert snapshot["data"]["file-0"] == "def daily(): ..."


def test_the_namespace_of_a_pool_gets_its_runner_access(world: World, operator: Operator) -> None:
    world.create_pool()

    eventually(lambda: world.get("serviceaccounts", "penstock-runner"))
    binding = eventually(lambda: world.get("rolebindings", "penstock-runner"))

    assert binding["roleRef"]["name"] == "penstock-runner"


def test_a_run_waits_for_its_flow(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_run("early")
    waiting = world.wait_for_reason("early", "FlowNotFound")

    world.create_flow()

    assert waiting["state"] == "Scheduled"
    assert world.wait_for_job("early-1")


def test_a_run_waits_for_its_pool(world: World, operator: Operator) -> None:
    world.create_flow()
    world.create_run("early")
    waiting = world.wait_for_reason("early", "WorkPoolNotFound")

    world.create_pool()

    assert waiting["state"] == "Scheduled"
    assert world.wait_for_job("early-1")


def test_a_suspended_flow_starts_nothing_until_it_goes_on(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow(suspend=True)
    world.create_run("one")
    world.wait_for_reason("one", "FlowSuspended")

    world.change("flows", "daily", {"suspend": False})

    assert world.wait_for_job("one-1")


def test_a_suspended_pool_starts_nothing_until_it_goes_on(world: World, operator: Operator) -> None:
    world.create_pool(suspend=True)
    world.create_flow()
    world.create_run("one")
    world.wait_for_reason("one", "WorkPoolSuspended")

    world.change("workpools", "default", {"suspend": False})

    assert world.wait_for_job("one-1")


def test_parameters_that_do_not_fit_fail_before_any_pod(world: World, operator: Operator) -> None:
    world.create_pool()
    schema = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
    world.create_flow(parameterSchema=schema)

    world.create_run("wrong", parameters={"day": 3})
    status = world.wait_for_state("wrong", "Failed")

    assert status["reason"] == "InvalidParameters"
    assert "day" in status["message"]
    assert world.jobs_of("wrong") == []
    assert world.condition("wrong", "Stalled") == "True"


@pytest.mark.parametrize(
    ("state", "reason"),
    [("Failed", "FlowFailed"), ("Failed", "EntrypointNotLoaded"), ("Crashed", "UserExit")],
)
def test_the_runners_outcome_decides(
    world: World, operator: Operator, state: str, reason: str
) -> None:
    world.create_pool()
    world.create_flow()
    world.create_run("one")
    world.wait_for_job("one-1")
    world.report("one", attempt=1)

    world.report_outcome("one", state, attempt=1, reason=reason, message="Because.")
    status = world.wait_for_state("one", state)

    assert status["reason"] == reason
    assert world.condition("one", "Succeeded") == "False"


def test_a_cancelled_run_ends_when_its_job_is_gone(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    world.create_run("one")
    world.wait_for_job("one-1")
    world.start_job("one-1")
    world.report("one", attempt=1)
    world.wait_for_state("one", "Running")

    world.cancel("one")
    eventually(lambda: world.jobs_of("one")[0]["metadata"].get("deletionTimestamp"))
    cancelling = world.status("one")
    world.finish_deletion("jobs", "one-1")
    status = world.wait_for_state("one", "Cancelled")

    assert cancelling["state"] == "Cancelling"
    assert status["reason"] == "CancelRequested"


def test_a_run_cancelled_before_its_start_makes_no_job(world: World, operator: Operator) -> None:
    world.create_run("one")
    world.wait_for_reason("one", "FlowNotFound")

    world.cancel("one")
    world.wait_for_state("one", "Cancelled")

    assert world.jobs_of("one") == []


def test_a_run_that_takes_too_long_fails(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    world.create_run("one", timeoutSeconds=4)
    world.wait_for_job("one-1")
    world.start_job("one-1")
    world.report("one", attempt=1)
    world.wait_for_state("one", "Running")

    status = world.wait_for_state("one", "Failed")

    assert status["reason"] == "TimedOut"
    eventually(
        lambda: all(job["metadata"].get("deletionTimestamp") for job in world.jobs_of("one"))
    )


def test_runs_keep_the_code_they_started_with(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    world.create_run("one")
    world.wait_for_job("one-1")
    first = world.status("one")["codeVersion"]

    world.change("flows", "daily", {"source": {"inline": {"files": {"flow.py": "# changed"}}}})
    eventually(lambda: world.get("flows", "daily")["status"]["codeVersion"] != first)  # type: ignore[index]
    world.fail_job("one-1", reason="PodFailurePolicy", message="DisruptionTarget")
    job = world.wait_for_job("one-2")

    assert world.status("one")["codeVersion"] == first
    assert f"daily-{first}" in str(job["spec"])


def test_a_config_map_is_the_source_of_a_flow(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow(source={"configMap": {"name": "code"}})
    world.create_run("one")
    world.wait_for_reason("one", "FlowStalled")

    world.api.create(
        world.path("configmaps"), {"metadata": {"name": "code"}, "data": {"flow.py": "# here"}}
    )

    world.wait_for_job("one-1")
    version = world.status("one")["codeVersion"]
    snapshot = world.get("configmaps", f"daily-{version}")
    assert snapshot is not None
    assert snapshot["data"]["file-0"] == "# here"
