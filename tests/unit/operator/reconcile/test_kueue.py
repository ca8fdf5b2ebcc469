"""Jobs that Kueue admits and preempts; it is played by setting their spec.suspend."""

from __future__ import annotations

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Object, Operator

QUEUE = "kueue.x-k8s.io/queue-name"
PRIORITY = "kueue.x-k8s.io/priority-class"


def queued(*, reported: bool = False, **run: Object) -> tuple[Cluster, Operator]:
    """Return a run whose Job waits for admission, or, if it has reported, was let go."""
    cluster = Cluster.with_run(run=run)
    cluster.run["metadata"]["labels"] = {QUEUE: "batch"}
    operator = Operator(cluster)
    operator.settle()
    if reported:
        cluster.admit(1)
        cluster.claim(1)
        operator.settle()
    return cluster, operator


@pytest.mark.parametrize(
    ("labelled", "expected"),
    [
        pytest.param({"pool": {QUEUE: "a"}}, {QUEUE: "a"}, id="the pool"),
        pytest.param({"pool": {QUEUE: "a"}, "flow": {QUEUE: "b"}}, {QUEUE: "b"}, id="the flow"),
        pytest.param(
            {"pool": {QUEUE: "a", PRIORITY: "low"}, "flow": {QUEUE: "b"}, "run": {QUEUE: "c"}},
            {QUEUE: "c", PRIORITY: "low"},
            id="the run",
        ),
    ],
)
def test_the_nearest_label_says_through_which_queue_the_job_goes(
    labelled: dict[str, dict[str, str]], expected: dict[str, str]
) -> None:
    cluster = Cluster.with_run()
    for name, labels in labelled.items():
        getattr(cluster, name)["metadata"]["labels"] = labels | {"team": "data"}

    Operator(cluster).settle()

    job = cluster.job(1)
    assert {k: v for k, v in job["metadata"]["labels"].items() if "kueue" in k} == expected
    assert job["spec"]["suspend"] is True
    assert "team" not in job["metadata"]["labels"]


def test_the_pools_labels_of_jobs_are_handed_to_kueue_too() -> None:
    cluster = Cluster.with_run(pool={"job": {"labels": {QUEUE: "a"}}})

    Operator(cluster).settle()

    assert cluster.job(1)["spec"]["suspend"] is True


def test_a_job_without_a_queue_starts_at_once() -> None:
    cluster = Cluster.with_run()
    cluster.run["metadata"]["labels"] = {PRIORITY: "low"}

    Operator(cluster).settle()

    assert "suspend" not in cluster.job(1)["spec"]
    assert cluster.job(1)["metadata"]["labels"][PRIORITY] == "low"


def test_a_run_waits_for_admission_without_a_deadline_and_without_looking() -> None:
    cluster, operator = queued()

    operator.wait(seconds=7200)

    wait = cluster.status["waitingFor"]
    assert (cluster.state, cluster.status["reason"]) == ("Pending", "WaitingForAdmission")
    assert (wait["kind"], wait["name"]) == ("Admission", "batch")
    assert "until" not in wait
    assert "waits for admission by Kueue, in the LocalQueue batch" in cluster.status["message"]
    uid = cluster.job(1)["metadata"]["uid"]
    asked = f"kubectl describe workloads -l kueue.x-k8s.io/job-uid={uid}"
    assert asked in cluster.status["message"]
    conditions = {each["type"]: each["status"] for each in cluster.status["conditions"]}
    assert (conditions["Reconciling"], conditions["Stalled"]) == ("True", "False")
    assert operator.plan().need == frozenset()
    assert operator.plan().requeue_after is None


def test_a_quick_admission_is_not_worth_a_word() -> None:
    cluster, operator = queued()
    writes = len(cluster.writes)

    cluster.admit(1)
    operator.settle()

    assert cluster.status["reason"] == "Launching"
    assert len(cluster.writes) == writes


def test_a_job_that_somebody_else_has_suspended_is_waited_for_too() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    cluster.job(1)["spec"]["suspend"] = True
    cluster.job(1)["status"] = {}

    operator.wait(seconds=7200)

    assert (cluster.state, cluster.status["reason"]) == ("Pending", "WaitingForAdmission")
    assert "suspended by other hands" in cluster.status["message"]


def test_the_patience_with_a_pod_begins_when_its_job_is_let_go() -> None:
    cluster, operator = queued()
    operator.wait(seconds=7200)

    cluster.admit(1)
    operator.wait(seconds=20)
    young = cluster.status["reason"]
    operator.wait(seconds=20)

    assert young == "Launching"
    assert "has had no pod for 30 s" in cluster.status["message"]


def test_a_pod_that_is_taken_away_before_it_reports_costs_nothing() -> None:
    cluster, operator = queued()
    cluster.admit(1)
    cluster.start_pod(1, phase="Pending", containerStatuses=[])
    operator.wait(seconds=5)

    cluster.preempt(1)
    operator.wait(seconds=5)
    cluster.remove_pods()
    cluster.job(1)["status"] = {}
    operator.wait(seconds=5)

    assert cluster.status["reason"] == "WaitingForAdmission"
    assert (cluster.status["attempt"], cluster.status["recoveries"]) == (1, 0)
    cluster.admit(1)
    cluster.finish(1)
    operator.settle()
    assert cluster.state == "Completed"


@pytest.mark.parametrize("ends", ["as failed", "with exit code 0", "without a trace"])
def test_a_preempted_run_goes_on_in_the_next_job_which_goes_through_the_queue(ends: str) -> None:
    cluster, operator = queued(reported=True)
    cluster.preempt(1)
    operator.wait(seconds=5)
    waited = list(cluster.created_jobs)

    if ends == "as failed":
        cluster.crash_pod(1, exit_code=137)
    elif ends == "with exit code 0":
        cluster.end_pod(cluster.newest_pod(1) or {}, exit_code=0)
        cluster.job(1)["status"] = {}
    else:
        cluster.remove_pods()
        cluster.job(1)["status"] = {}
    operator.settle()

    assert waited == ["one-1"]
    assert cluster.job(2)["spec"]["suspend"] is True
    assert (cluster.status["recoveries"], cluster.status.get("crashes", 0)) == (1, 0)
    assert "was suspended while it ran: Kueue has taken its place away" in cluster.status["message"]
    assert cluster.told == ["AttemptLost"]
    operator.wait(seconds=5)
    assert "Once admitted, the run goes on from what it had finished." in cluster.status["message"]


def test_a_job_that_is_not_stopped_yet_is_not_lost() -> None:
    cluster, operator = queued(reported=True)

    cluster.job(1)["spec"]["suspend"] = True
    operator.wait(seconds=10)

    assert (cluster.state, cluster.created_jobs) == ("Running", ["one-1"])


def test_a_job_that_is_let_go_while_its_pod_is_leaving_is_followed_by_another() -> None:
    """Kueue gives the place away, and perhaps back, as soon as the pod is told to leave; the Job's
    second pod finds the attempt taken, and leaves."""
    cluster, operator = queued(reported=True)
    cluster.preempt(1)
    operator.wait(seconds=2)
    cluster.admit(1)
    cluster.job(1)["status"] |= {"active": 0, "terminating": 1}
    operator.wait(seconds=2)
    meanwhile = (cluster.state, list(cluster.created_jobs))
    cluster.remove_pods()
    cluster.job(1)["status"] |= {"active": 1, "terminating": 0}
    second = cluster.start_pod(1)
    operator.wait(seconds=2)

    taken = cluster.claim(1, pod=second)
    cluster.end_pod(second, exit_code=70)
    cluster.end_job(1, message="Container flow failed with exit code 70 matching FailJob rule")
    operator.settle()

    assert meanwhile == ("Running", ["one-1"])
    assert not taken
    assert cluster.job(2)["spec"]["suspend"] is True
    assert (cluster.status["recoveries"], cluster.status.get("crashes", 0)) == (1, 0)


def test_the_time_of_a_run_goes_on_while_it_waits_to_be_admitted_again() -> None:
    cluster, operator = queued(reported=True, timeoutSeconds=600)
    cluster.preempt(1)
    cluster.crash_pod(1)
    operator.wait(seconds=500)
    before = cluster.state

    operator.wait(seconds=200)

    assert (before, cluster.state, cluster.status["reason"]) == ("Pending", "Failed", "TimedOut")


def test_the_time_of_a_run_that_never_was_admitted_does_not_pass() -> None:
    cluster, operator = queued(timeoutSeconds=600)

    operator.wait(seconds=7200)

    assert cluster.state == "Pending"


def test_a_run_is_cancelled_while_it_waits() -> None:
    cluster, operator = queued()
    operator.wait(seconds=60)

    cluster.cancel()
    operator.wait(seconds=5)

    assert (cluster.state, cluster.jobs) == ("Cancelled", {})


def test_roll_backs_wait_in_the_queue_and_have_their_time_then() -> None:
    cluster, operator = queued(reported=True)
    cluster.leave(1, seconds=3600)
    cluster.run["status"]["execution"]["journal"] = {"entries": 3, "rollbacksOwed": True}
    cluster.touch()
    operator.settle()
    cluster.cancel()

    operator.wait(seconds=3600)
    waiting = (cluster.state, cluster.job(2)["spec"]["suspend"])
    cluster.admit(2)
    operator.wait(seconds=200)
    rolling_back = cluster.state
    cluster.finish(2, "Cancelled", "CancelRequested")
    operator.settle()

    assert waiting == ("Cancelling", True)
    assert rolling_back == "Cancelling"
    assert "A last launch has rolled back" in cluster.status["message"]
