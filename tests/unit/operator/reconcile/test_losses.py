"""What became of a lost attempt: the cause is told in a sentence, and the right thing follows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Object, Operator, wire_time, written


def running(**flow: object) -> tuple[Cluster, Operator]:
    cluster = Cluster.with_run(flow=flow)
    operator = Operator(cluster)
    operator.settle()
    cluster.claim(1)
    operator.settle()
    return cluster, operator


def drained(cluster: Cluster) -> None:
    cluster.evict_pod(1)


def preempted(cluster: Cluster) -> None:
    cluster.evict_pod(1, by="PreemptionByScheduler")


def evicted_by_the_kubelet(cluster: Cluster) -> None:
    cluster.evict_pod(1, by="TerminationByKubelet")


def removed_from_a_dead_node(cluster: Cluster) -> None:
    cluster.evict_pod(1, by="DeletionByPodGC")


def told_by_its_job_alone(cluster: Cluster) -> None:
    cluster.pods.clear()
    cluster.end_job(1, message="Pod team/x has condition DisruptionTarget matching FailJob rule")


def deleted(cluster: Cluster) -> None:
    cluster.pods.clear()
    cluster.end_job(1, reason="BackoffLimitExceeded", message="Job has reached the limit")


def being_deleted(cluster: Cluster) -> None:
    cluster.crash_pod(1, exit_code=143)
    pod = cluster.newest_pod(1)
    assert pod is not None
    pod["metadata"]["deletionTimestamp"] = wire_time(cluster.now)


def told_to_end(cluster: Cluster) -> None:
    cluster.crash_pod(1, exit_code=143)


def fenced(cluster: Cluster) -> None:
    cluster.crash_pod(1, exit_code=70)


def without_its_report(cluster: Cluster) -> None:
    cluster.crash_pod(1, exit_code=75)


def refused_by_the_kubelet(cluster: Cluster) -> None:
    pod = cluster.newest_pod(1)
    assert pod is not None
    pod["status"] = {"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough"}
    cluster.end_job(1)


DISRUPTIONS: dict[Callable[[Cluster], None], str] = {
    drained: "kubectl drain",
    preempted: "preempted by a pod of higher priority",
    evicted_by_the_kubelet: "evicted by the kubelet: words",
    removed_from_a_dead_node: "node is gone",
    told_by_its_job_alone: "taken away",
    deleted: "was deleted",
    being_deleted: "was deleted",
    told_to_end: "SIGTERM",
    fenced: "other hands",
    without_its_report: "could not reach the API server",
    refused_by_the_kubelet: "OutOfcpu: Node didn't have enough",
}


@pytest.mark.parametrize(
    ("loss", "words"), [pytest.param(*item, id=item[0].__name__) for item in DISRUPTIONS.items()]
)
def test_a_disruption_launches_the_next_attempt_and_is_no_crash(
    loss: Callable[[Cluster], None], words: str
) -> None:
    cluster, operator = running()

    loss(cluster)
    operator.settle()

    status = cluster.status
    assert (status["state"], status["reason"]) == ("Pending", "Recovering")
    assert words in status["message"]
    assert "Attempt 2" in status["message"]
    assert (status["attempt"], status["recoveries"], status.get("crashes", 0)) == (2, 1, 0)
    assert status["startedAt"] == "2026-11-21T09:00:00Z"
    assert cluster.created_jobs == ["one-1", "one-2"]


def killed_for_memory(cluster: Cluster) -> None:
    cluster.crash_pod(cluster.status["attempt"], exit_code=137, reason="OOMKilled")


def killed(cluster: Cluster) -> None:
    cluster.crash_pod(cluster.status["attempt"], exit_code=137)


def segmentation_fault(cluster: Cluster) -> None:
    cluster.crash_pod(cluster.status["attempt"], exit_code=139)


def ended_well_without_a_word(cluster: Cluster) -> None:
    attempt = cluster.status["attempt"]
    pod = cluster.newest_pod(attempt) or cluster.start_pod(attempt)
    cluster.end_pod(pod, exit_code=0, reason="Completed")
    cluster.end_job(attempt, "Complete")


def told_by_its_jobs_exit_code(cluster: Cluster) -> None:
    cluster.pods.clear()
    words = "Container flow for pod team/x failed with exit code 3 matching FailJob rule at index 1"
    cluster.end_job(cluster.status["attempt"], message=words)


CRASHES: dict[Callable[[Cluster], None], tuple[str, str]] = {
    killed_for_memory: ("OutOfMemory", "Raise resources.limits.memory"),
    killed: ("ProcessExited", "SIGKILL"),
    segmentation_fault: ("ProcessExited", "exit code 139"),
    ended_well_without_a_word: ("ProcessExited", "exit code 0"),
    told_by_its_jobs_exit_code: ("ProcessExited", "exit code 3"),
}
each_crash = pytest.mark.parametrize(
    ("crash", "reason", "words"),
    [pytest.param(crash, *rest, id=crash.__name__) for crash, rest in CRASHES.items()],
)


@each_crash
def test_a_crash_launches_the_next_attempt_and_counts(
    crash: Callable[[Cluster], None], reason: str, words: str
) -> None:
    cluster, operator = running()

    crash(cluster)
    operator.settle()

    assert words in cluster.status["message"]
    assert (cluster.status["attempt"], cluster.status["crashes"]) == (2, 1)


@each_crash
def test_the_third_crash_in_a_row_is_the_end(
    crash: Callable[[Cluster], None], reason: str, words: str
) -> None:
    cluster, operator = running()

    for _ in range(3):
        crash(cluster)
        operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Crashed", reason)
    assert words in cluster.status["message"]
    assert cluster.status["crashes"] == 3
    assert cluster.created_jobs == ["one-1", "one-2", "one-3"]


def test_the_budget_of_recoveries_ends_with_its_cause() -> None:
    cluster, operator = running(maxRecoveries=1)

    cluster.evict_pod(1)
    operator.settle()
    cluster.evict_pod(2)
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Crashed", "RecoveriesExhausted")
    assert "kubectl drain" in cluster.status["message"]
    assert "maxRecoveries" in cluster.status["message"]


def test_a_lost_node_is_not_waited_for() -> None:
    cluster, operator = running()

    cluster.lose_node(1)
    operator.settle()

    assert "node-1" in cluster.status["message"]
    assert cluster.status["attempt"] == 2
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_pod_that_does_not_end_is_waited_for_ten_seconds_beyond_its_time() -> None:
    cluster, operator = running()
    pod = cluster.newest_pod(1)
    assert pod is not None
    pod["metadata"]["deletionTimestamp"] = wire_time(cluster.now + timedelta(seconds=30))
    cluster.job(1)["status"] = {"active": 0, "terminating": 1}

    operator.wait(seconds=39)
    patient = cluster.status["attempt"]
    operator.wait(seconds=2)

    assert (patient, cluster.status["attempt"]) == (1, 2)
    assert "kubelet seems gone" in cluster.status["message"]


def test_an_image_without_python_fails_at_once() -> None:
    cluster, operator = running()
    message = 'exec: "python": executable file not found in $PATH'
    pod = cluster.newest_pod(1)
    assert pod is not None
    end = {"terminated": {"exitCode": 128, "reason": "StartError", "message": message}}
    flow = {"name": "flow", "image": "shop/etl:2", "state": end}
    pod["status"] = {"phase": "Failed", "containerStatuses": [flow]}
    cluster.end_job(1)

    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "PodNotStarting")
    assert "shop/etl:2" in cluster.status["message"]
    assert message in cluster.status["message"]


def test_a_failed_init_container_is_named() -> None:
    cluster, operator = running()
    pod = cluster.newest_pod(1)
    assert pod is not None
    init = {"name": "migrate", "state": {"terminated": {"exitCode": 2}}}
    pod["status"] = {"phase": "Failed", "initContainerStatuses": [init]}
    cluster.end_job(1)

    operator.settle()

    assert "The init container migrate" in cluster.status["message"]
    assert cluster.status["crashes"] == 1


def test_the_pools_job_deadline_is_a_timeout() -> None:
    cluster, operator = running()

    cluster.end_job(1, reason="DeadlineExceeded", message="Job was active longer than specified")
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "TimedOut")
    assert "activeDeadlineSeconds" in cluster.status["message"]


def test_a_job_that_failed_for_a_sidecar_ends_as_the_flow_did() -> None:
    cluster, operator = running()
    pod = cluster.newest_pod(1)
    assert pod is not None
    outcome = {"state": "Completed", "reason": "Completed", "finishedAt": wire_time(cluster.now)}
    cluster.claim(1, pod=pod, outcome=outcome)
    states: list[Object] = [
        {"name": "flow", "state": {"terminated": {"exitCode": 0}}},
        {"name": "proxy", "state": {"terminated": {"exitCode": 1}}},
    ]
    pod["status"] = {"phase": "Failed", "containerStatuses": states}
    cluster.end_job(1, reason="BackoffLimitExceeded")

    operator.settle()

    assert cluster.state == "Completed"


def test_a_job_that_is_gone_is_no_loss_once_its_outcome_is_reported() -> None:
    cluster, operator = running()
    cluster.finish(1, "Failed", "FlowFailed")
    cluster.jobs.clear()
    cluster.pods.clear()

    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "FlowFailed")


def test_a_job_is_only_believed_gone_after_a_look_at_the_api_server() -> None:
    _, operator = running()
    operator.refresh()
    operator.seen["jobs"] = written({})

    plan = operator.plan()

    assert plan.actions == ()


def test_a_pod_that_outlives_its_job_is_still_the_run() -> None:
    cluster, operator = running()
    cluster.jobs.clear()

    operator.wait(seconds=300)
    attempt_while_it_lives = cluster.status["attempt"]
    cluster.finish(1)
    operator.settle()

    assert (attempt_while_it_lives, cluster.state) == (1, "Completed")


def test_a_job_of_an_earlier_run_of_the_same_name_is_left_alone() -> None:
    cluster, operator = running()
    cluster.job(1)["metadata"]["ownerReferences"][0]["uid"] = "an earlier run"
    cluster.pods.clear()

    operator.settle()

    assert cluster.status["attempt"] == 2
    assert "one-1" in cluster.jobs


def test_a_recovery_waits_for_its_pool_to_come_back() -> None:
    cluster, operator = running()
    pool, cluster.pool = cluster.pool, None
    cluster.evict_pod(1)
    operator.settle()
    held = cluster.status

    cluster.pool = pool
    operator.settle()

    assert (held["state"], held["reason"], held["attempt"]) == ("Scheduled", "WorkPoolNotFound", 2)
    assert (cluster.state, cluster.status["reason"]) == ("Pending", "Recovering")
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_recovery_uses_the_code_that_the_run_started_with() -> None:
    cluster, operator = running(image="shop/etl:2")
    assert cluster.flow is not None
    cluster.flow["spec"] |= {"image": "shop/etl:3", "env": [{"name": "NEW", "value": "1"}]}

    cluster.evict_pod(1)
    operator.settle()

    pods = [cluster.job(n)["spec"]["template"]["spec"] for n in (1, 2)]
    assert [each["containers"][0]["image"] for each in pods] == ["shop/etl:2", "shop/etl:2"]
    assert pods[0]["volumes"] == pods[1]["volumes"]


def test_a_recovery_outlives_its_flow() -> None:
    cluster, operator = running()
    cluster.flow = None

    cluster.evict_pod(1)
    operator.settle()

    assert cluster.status["attempt"] == 2


def test_a_recovery_whose_code_is_gone_fails_with_the_cause() -> None:
    cluster, operator = running()
    cluster.flow = None
    cluster.config_maps.clear()

    cluster.evict_pod(1)
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "LaunchRefused")
    assert cluster.status["codeVersion"] in cluster.status["message"]
