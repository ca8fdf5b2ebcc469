"""Cancel, timeouts, outcomes: how a run ends, and that it stays so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Object, Operator, wire_time


def running(**flow: object) -> tuple[Cluster, Operator]:
    cluster = Cluster.with_run(flow=flow)
    operator = Operator(cluster)
    operator.settle()
    cluster.claim(1)
    operator.settle()
    return cluster, operator


def conditions(cluster: Cluster) -> dict[str, str]:
    return {each["type"]: each["status"] for each in cluster.status["conditions"]}


def report(cluster: Cluster, **outcome: object) -> None:
    words: Object = {"finishedAt": wire_time(cluster.now)} | outcome
    cluster.claim(1, pod=cluster.newest_pod(1), outcome=words)


@pytest.mark.parametrize(
    ("state", "said", "reason"),
    [
        ("Completed", "Completed", "Completed"),
        ("Failed", "FlowFailed", "FlowFailed"),
        ("Failed", "InvalidParameters", "InvalidParameters"),
        ("Failed", "EntrypointNotLoaded", "EntrypointNotLoaded"),
        ("Failed", "TimedOut", "TimedOut"),
        ("Crashed", "UserExit", "UserExit"),
        ("Cancelled", "CancelRequested", "CancelRequested"),
        ("Failed", "SomethingOfANewerRunner", "FlowFailed"),
        ("Failed", "Completed", "FlowFailed"),
    ],
)
def test_the_runners_outcome_is_the_runs_end(state: str, said: str, reason: str) -> None:
    cluster, operator = running()

    report(cluster, state=state, reason=said, message="What the runner says.")
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == (state, reason)
    assert cluster.status["message"] == "What the runner says."


def test_conditions_are_those_of_kstatus() -> None:
    cluster, operator = running()
    active = conditions(cluster)
    report(cluster, state="Completed", reason="Completed")
    operator.settle()
    completed = conditions(cluster)
    failing, operator = running()
    report(failing, state="Failed", reason="FlowFailed")
    operator.settle()

    assert active == {"Succeeded": "Unknown", "Reconciling": "True", "Stalled": "False"}
    assert completed == {"Succeeded": "True", "Reconciling": "False", "Stalled": "False"}
    assert conditions(failing) == {"Succeeded": "False", "Reconciling": "False", "Stalled": "True"}


def test_a_run_knows_when_it_was_queued_started_and_finished() -> None:
    cluster, operator = running()
    cluster.now += timedelta(seconds=192)
    report(cluster, state="Completed", reason="Completed")

    operator.settle()

    status = cluster.status
    assert status["queuedAt"] == "2026-11-21T09:00:00Z"
    assert status["startedAt"] == "2026-11-21T09:00:00Z"
    assert status["finishedAt"] == "2026-11-21T09:03:12Z"
    assert status["duration"] == "3m12s"
    assert status["observedGeneration"] == 1


def test_a_runners_clock_cannot_move_a_run_into_the_future_or_the_past() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    pod = cluster.start_pod(1)

    cluster.claim(1, pod=pod)
    cluster.status["execution"]["startedAt"] = "2999-01-01T00:00:00Z"
    operator.settle()
    cluster.claim(1, pod=pod, outcome={
        "state": "Completed", "reason": "Completed", "finishedAt": "1999-01-01T00:00:00Z",
    })  # fmt: skip
    operator.settle()

    assert cluster.status["startedAt"] == "2026-11-21T09:00:00Z"
    assert cluster.status["finishedAt"] == "2026-11-21T09:00:00Z"


def test_a_report_of_an_older_attempt_says_nothing() -> None:
    cluster, operator = running()
    cluster.evict_pod(1)
    operator.settle()
    old = cluster.status["execution"]
    old["outcome"] = {"state": "Completed", "reason": "Completed", "finishedAt": old["startedAt"]}

    operator.settle()

    assert (cluster.state, cluster.status["attempt"]) == ("Pending", 2)


def test_a_runner_of_another_protocol_is_ended_with_the_mend() -> None:
    cluster, operator = running(image="shop/etl:2")
    cluster.status["execution"]["protocol"] = 7

    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Crashed", "ProtocolUnsupported")
    assert "version 7" in cluster.status["message"]
    assert "shop/etl:2" in cluster.status["message"]
    assert cluster.jobs == {}


@pytest.mark.parametrize(
    ("flow", "run"),
    [
        pytest.param({"timeoutSeconds": 60}, {}, id="flow"),
        pytest.param({"timeoutSeconds": 9999}, {"timeoutSeconds": 60}, id="run"),
    ],
)
def test_the_timeout_counts_from_the_first_start_over_all_attempts(
    flow: Object, run: Object
) -> None:
    cluster = Cluster.with_run(flow=flow, run=run)
    operator = Operator(cluster)
    operator.wait(seconds=20)
    cluster.claim(1)
    operator.wait(seconds=30)
    cluster.evict_pod(1)
    operator.wait(seconds=5)
    cluster.claim(2)

    operator.wait(seconds=23)
    just_before = cluster.state
    operator.wait(seconds=3)

    assert just_before == "Running"
    assert (cluster.state, cluster.status["reason"]) == ("Failed", "TimedOut")
    assert "1m" in cluster.status["message"]
    assert "one-2" not in cluster.jobs


def test_a_plan_comes_back_by_itself_at_the_timeout() -> None:
    _, operator = running(timeoutSeconds=60)

    assert operator.settle().requeue_after == timedelta(seconds=60)


def test_an_outcome_in_time_goes_before_the_timeout() -> None:
    cluster, operator = running(timeoutSeconds=60)
    report(cluster, state="Completed", reason="Completed")
    cluster.now += timedelta(hours=1)

    operator.settle()

    assert cluster.state == "Completed"


def test_cancelling_asks_the_pod_first_and_takes_its_word() -> None:
    cluster, operator = running()

    cluster.cancel()
    operator.settle()
    asked = cluster.status
    deletion = cluster.job(1)["metadata"].get("deletionTimestamp")
    report(cluster, state="Cancelled", reason="CancelRequested", message="Cancelled by request.")
    operator.settle()

    assert (asked["state"], asked["observedGeneration"]) == ("Cancelling", 2)
    assert deletion
    assert (cluster.state, cluster.status["message"]) == ("Cancelled", "Cancelled by request.")


def test_a_flow_that_completes_while_it_is_cancelled_has_completed() -> None:
    cluster, operator = running()
    cluster.cancel()
    operator.settle()

    report(cluster, state="Completed", reason="Completed")
    operator.settle()

    assert cluster.state == "Completed"


def test_a_cancelled_run_whose_pod_says_nothing_ends_when_it_is_gone() -> None:
    cluster, operator = running()
    cluster.cancel()
    operator.settle()

    cluster.pods.clear()
    cluster.remove_pods()
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "CancelRequested")
    assert "waitingFor" not in cluster.status


def test_a_cancelled_run_does_not_wait_for_a_lost_node_beyond_the_grace_period() -> None:
    cluster, operator = running()
    cluster.cancel()

    operator.wait(seconds=44)
    patient = cluster.state
    operator.wait(seconds=2)

    assert (patient, cluster.state) == ("Cancelling", "Cancelled")
    assert "node cannot be reached" in cluster.status["message"]


def test_nothing_is_written_to_a_finished_run_whatever_happens_to_it() -> None:
    cluster, operator = running(timeoutSeconds=60)
    report(cluster, state="Failed", reason="FlowFailed")
    operator.settle()
    writes = len(cluster.writes)

    cluster.end_job(1)
    cluster.cancel()
    cluster.flow = cluster.pool = None
    operator.wait(seconds=300)

    assert len(cluster.writes) == writes


def test_a_sidecar_that_goes_on_after_the_end_of_its_run_is_ended() -> None:
    cluster, operator = running()
    report(cluster, state="Completed", reason="Completed")

    operator.wait(seconds=80)
    lingering = list(cluster.jobs)
    operator.wait(seconds=20)

    assert (lingering, list(cluster.jobs)) == (["one-1"], [])


def test_a_run_that_is_being_deleted_is_left_alone() -> None:
    cluster, operator = running()
    cluster.run["metadata"]["deletionTimestamp"] = wire_time(cluster.now)
    cluster.evict_pod(1)

    assert operator.settle().actions == ()
