"""Why a launched run does not start: shown soon, failed at a deadline, gone when mended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Object, Operator, wire_time

from penstock_operator.reconcile.observed import Refusal


def waiting(reason: str, message: str, *, image: str = "shop/etl:2") -> Object:
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "phase": "Pending",
        "containerStatuses": [{"name": "flow", "image": image, "state": state}],
    }


def unschedulable(message: str) -> Object:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {
        "phase": "Pending",
        "conditions": [condition | {"message": message}],
        "containerStatuses": [],
    }


def image_not_found(cluster: Cluster) -> None:
    cluster.start_pod(1, **waiting("ErrImagePull", "shop/etl:2: not found"))


def image_backed_off(cluster: Cluster) -> None:
    cluster.start_pod(1, **waiting("ImagePullBackOff", "Back-off pulling image"))


def init_image_not_found(cluster: Cluster) -> None:
    state = waiting("ErrImagePull", "no such image", image="shop/init:1")
    cluster.start_pod(1, phase="Pending", initContainerStatuses=state["containerStatuses"])


def no_node_has_room(cluster: Cluster) -> None:
    cluster.start_pod(1, **unschedulable("0/3 nodes are available: 3 Insufficient cpu."))


def quota_is_exhausted(cluster: Cluster) -> None:
    words = 'pods "one-1-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2'
    cluster.warn("Job", "one-1", "FailedCreate", words)


def pod_security_refuses(cluster: Cluster) -> None:
    words = 'pods "one-1-x" is forbidden: violates PodSecurity "restricted:latest": privileged'
    cluster.warn("Job", "one-1", "FailedCreate", words)


def secret_is_missing(cluster: Cluster) -> None:
    cluster.start_pod(1, **waiting("CreateContainerConfigError", 'secret "api" not found'))


def volume_is_missing(cluster: Cluster) -> None:
    pod = cluster.start_pod(1, **waiting("ContainerCreating", ""))
    name = pod["metadata"]["name"]
    words = 'MountVolume.SetUp failed for volume "x": configmap "rules" not found'
    cluster.warn("Pod", name, "FailedMount", words)


TROUBLES: dict[Callable[[Cluster], None], tuple[str, str, str, str, int]] = {
    image_not_found: ("ImageUnavailable", "Image", "shop/etl:2", "not found", 300),
    image_backed_off: ("ImageUnavailable", "Image", "shop/etl:2", "Back-off", 300),
    init_image_not_found: ("ImageUnavailable", "Image", "shop/init:1", "no such image", 300),
    no_node_has_room: ("Unschedulable", "Node", "one-1-", "Insufficient cpu", 1800),
    quota_is_exhausted: ("QuotaExceeded", "Quota", "small", "exceeded quota", 1800),
    pod_security_refuses: ("PodRefused", "Pod", "one-1", "violates PodSecurity", 300),
    secret_is_missing: ("PodNotStarting", "Pod", "one-1-", 'secret "api" not found', 300),
    volume_is_missing: ("PodNotStarting", "Pod", "one-1-", 'configmap "rules" not found', 300),
}
each_trouble = pytest.mark.parametrize(
    ("trouble", "shown"), [pytest.param(*item, id=item[0].__name__) for item in TROUBLES.items()]
)


def launched() -> tuple[Cluster, Operator]:
    cluster = Cluster.with_run(flow={"image": "shop/etl:2"})
    operator = Operator(cluster)
    operator.settle()
    return cluster, operator


@each_trouble
def test_a_trouble_shows_within_five_seconds_in_the_words_of_who_found_it(
    trouble: Callable[[Cluster], None], shown: tuple[str, str, str, str, int]
) -> None:
    cluster, operator = launched()
    reason, kind, name, words, deadline = shown

    trouble(cluster)
    operator.wait(seconds=5)

    status = cluster.status
    assert (status["state"], status["reason"]) == ("Pending", reason)
    assert status["waitingFor"]["kind"] == kind
    assert status["waitingFor"]["name"].startswith(name)
    assert words in status["message"]
    since, until = (
        datetime.fromisoformat(status["waitingFor"][each]) for each in ("since", "until")
    )
    assert until - since == timedelta(seconds=deadline)
    stalled = next(each for each in status["conditions"] if each["type"] == "Stalled")
    assert (stalled["status"], stalled["message"]) == ("True", status["message"])


@each_trouble
def test_a_trouble_that_stays_fails_the_run_at_its_deadline_and_takes_its_job_away(
    trouble: Callable[[Cluster], None], shown: tuple[str, str, str, str, int]
) -> None:
    cluster, operator = launched()
    reason, _, _, words, deadline = shown

    trouble(cluster)
    operator.wait(seconds=deadline + 20)

    assert (cluster.state, cluster.status["reason"]) == ("Failed", reason)
    assert words in cluster.status["message"]
    assert "create another run" in cluster.status["message"]
    assert cluster.jobs == {}
    assert len(cluster.writes) == 6, (
        "one write when it began, one deletion and one write at its end"
    )


@each_trouble
def test_a_run_whose_trouble_is_mended_starts(
    trouble: Callable[[Cluster], None], shown: tuple[str, str, str, str, int]
) -> None:
    cluster, operator = launched()
    trouble(cluster)
    operator.wait(seconds=10)

    cluster.pods.clear()
    cluster.start_pod(1)
    operator.wait(seconds=3)
    before_the_report = cluster.status
    cluster.claim(1, pod=cluster.newest_pod(1))
    operator.wait(seconds=1)

    assert before_the_report["reason"] == "Launching"
    assert "waitingFor" not in before_the_report
    assert cluster.state == "Running"


def test_words_that_change_with_each_look_are_not_written_again() -> None:
    cluster, operator = launched()
    pod = cluster.start_pod(1, **unschedulable("0/3 nodes are available"))
    operator.wait(seconds=5)
    writes = len(cluster.writes)

    for nodes in range(4, 12):
        pod["status"] = unschedulable(f"0/{nodes} nodes are available")
        operator.wait(seconds=10)

    assert len(cluster.writes) == writes


@pytest.mark.parametrize(
    "next_steps",
    [
        "",
        " preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.",
        " no new claims to deallocate, preemption: 0/2 nodes are available.",
    ],
    ids=["nothing else", "preemption", "claims"],
)
def test_a_scheduler_is_quoted_on_the_nodes_alone(next_steps: str) -> None:
    cluster, operator = launched()
    words = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    cluster.start_pod(1, **unschedulable(words + next_steps))

    operator.wait(seconds=5)

    assert f"{words} Please make room" in cluster.status["message"]
    assert "tolerations" in cluster.status["message"]


def test_a_pull_that_is_tried_again_is_one_wait() -> None:
    cluster, operator = launched()
    pod = cluster.start_pod(1, **waiting("ErrImagePull", "not found"))
    operator.wait(seconds=5)
    first, writes = cluster.status["waitingFor"], len(cluster.writes)

    for reason in ("ImagePullBackOff", "ContainerCreating", "ErrImagePull"):
        pod["status"] = waiting(reason, "whatever")
        operator.wait(seconds=10)

    assert cluster.status["waitingFor"] == first
    assert len(cluster.writes) == writes


def test_a_pull_that_is_tried_again_is_one_wait_with_its_events_too() -> None:
    cluster, operator = launched()
    pod = cluster.start_pod(1, **waiting("ErrImagePull", "not found"))
    name = pod["metadata"]["name"]
    operator.wait(seconds=5)
    first, writes = cluster.status["waitingFor"], len(cluster.writes)

    for reason in ("ImagePullBackOff", "ContainerCreating", "ErrImagePull"):
        cluster.tell("Pod", name, "Pulling")
        cluster.warn("Pod", name, "Failed", "Error: ErrImagePull")
        pod["status"] = waiting(reason, "whatever")
        operator.wait(seconds=10)

    assert cluster.status["waitingFor"] == first
    assert len(cluster.writes) == writes


def test_a_mended_image_is_no_trouble_while_an_init_container_takes_its_time() -> None:
    cluster, operator = launched()
    pod = cluster.start_pod(1, **waiting("ErrImagePull", "not found"))
    name = pod["metadata"]["name"]
    cluster.warn("Pod", name, "Failed", "Error: ErrImagePull")
    operator.wait(seconds=60)

    pod["status"] = waiting("PodInitializing", "")
    cluster.tell("Pod", name, "Pulled")
    operator.wait(seconds=600)

    assert (cluster.state, cluster.status["reason"]) == ("Pending", "Launching")


def test_a_volume_that_came_late_is_no_trouble_while_a_large_image_is_pulled() -> None:
    cluster, operator = launched()
    volume_is_missing(cluster)
    pod = cluster.newest_pod(1)
    assert pod is not None
    operator.wait(seconds=6)
    trouble = cluster.status["reason"]

    cluster.tell("Pod", pod["metadata"]["name"], "Pulling")
    operator.wait(seconds=600)

    assert trouble == "PodNotStarting"
    assert (cluster.state, cluster.status["reason"]) == ("Pending", "Launching")


def test_a_warning_that_was_mended_before_it_was_seen_is_no_trouble() -> None:
    cluster, operator = launched()
    volume_is_missing(cluster)
    pod = cluster.newest_pod(1)
    assert pod is not None
    cluster.tell("Pod", pod["metadata"]["name"], "Pulling")

    operator.wait(seconds=400)

    assert cluster.states == ["Pending"]


def test_a_pod_that_came_late_has_all_its_time_to_start() -> None:
    cluster, operator = launched()
    operator.wait(seconds=40)
    without_pod = cluster.status["reason"]
    cluster.start_pod(1, **waiting("ContainerCreating", ""))

    operator.wait(seconds=600)

    assert without_pod == "PodNotStarting"
    assert (cluster.state, cluster.status["reason"]) == ("Pending", "Launching")


def test_an_image_name_that_can_never_be_pulled_fails_at_once() -> None:
    cluster, operator = launched()

    cluster.start_pod(1, **waiting("InvalidImageName", "couldn't parse image", image="NO!"))
    operator.wait(seconds=3)

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "ImageUnavailable")
    assert "NO!" in cluster.status["message"]


def test_a_pod_that_pulls_a_large_image_is_left_in_peace() -> None:
    cluster, operator = launched()
    cluster.start_pod(1, **waiting("ContainerCreating", ""))
    writes = len(cluster.writes)

    operator.wait(seconds=600)

    assert len(cluster.writes) == writes


def test_a_runner_that_never_reports_is_not_waited_for_for_ever() -> None:
    cluster, operator = launched()
    pod = cluster.start_pod(1)

    operator.wait(seconds=35)
    waits = cluster.status
    operator.wait(seconds=320)

    assert waits["reason"] == "PodNotStarting"
    assert f"kubectl logs {pod['metadata']['name']}" in waits["message"]
    assert (cluster.state, cluster.status["reason"]) == ("Failed", "PodNotStarting")


def test_a_job_without_a_pod_or_an_event_is_noticed() -> None:
    cluster, operator = launched()

    operator.wait(seconds=35)

    assert cluster.status["reason"] == "PodNotStarting"
    assert "controller manager" in cluster.status["message"]


def test_a_young_pods_warning_is_no_trouble_yet() -> None:
    cluster, operator = launched()
    cluster.now += timedelta(seconds=2)
    volume_is_missing(cluster)

    plan = operator.settle()

    assert cluster.status["reason"] == "Launching"
    assert plan.requeue_after == timedelta(seconds=2)


def test_looks_become_rarer_after_a_minute() -> None:
    cluster, operator = launched()
    cluster.start_pod(1, **unschedulable("no room"))
    cluster.now += timedelta(seconds=30)
    early = operator.settle().requeue_after
    cluster.now += timedelta(seconds=60)
    late = operator.settle().requeue_after

    assert (early, late) == (timedelta(seconds=2), timedelta(seconds=10))


def test_a_snapshot_that_was_deleted_under_a_pod_is_put_back() -> None:
    cluster, operator = launched()
    (name,) = cluster.config_maps
    cluster.config_maps.clear()
    pod = cluster.start_pod(1, **waiting("ContainerCreating", ""))
    cluster.warn("Pod", pod["metadata"]["name"], "FailedMount", f'configmap "{name}" not found')

    operator.wait(seconds=5)

    assert list(cluster.config_maps) == [name]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_job_that_the_api_server_finds_wrong_fails_the_run_at_once(status: int) -> None:
    cluster = Cluster.with_run()
    cluster.refuse_job = Refusal(status, "Job.batch is invalid: spec.template")

    Operator(cluster).settle()

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "LaunchRefused")
    assert "spec.template" in cluster.status["message"]


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        pytest.param(Refusal(403, "exceeded quota: q, used: 1"), "QuotaExceeded", id="quota"),
        pytest.param(Refusal(403, "denied the request: no"), "PodRefused", id="policy"),
        pytest.param(Refusal(409, "A Job of another run"), "PodRefused", id="another's Job"),
    ],
)
def test_a_job_that_is_refused_for_now_is_tried_again(refusal: Refusal, reason: str) -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    cluster.refuse_job = refusal
    operator.wait(seconds=25)
    waits = cluster.status

    cluster.refuse_job = None
    operator.wait(seconds=11)

    assert (waits["state"], waits["reason"]) == ("Pending", reason)
    assert cluster.created_jobs == ["one-1"]


def test_a_refusal_that_stays_fails_the_run_at_its_deadline() -> None:
    cluster = Cluster.with_run()
    cluster.refuse_job = Refusal(403, "denied the request: no")

    Operator(cluster).wait(seconds=320)

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "PodRefused")
    assert cluster.status["finishedAt"] == wire_time(cluster.now - timedelta(seconds=20))
