"""Whole lives of a run, with the operator killed after each of its writes in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Died, Object, Operator

from penstock_operator.reconcile.observed import Refusal

Life = Callable[[Cluster], Iterator[float]]
"""What happens in the cluster; each yield lets the operator work, and so many seconds pass."""


def completes(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.claim(1)
    yield 1
    cluster.finish(1)
    yield 1


def is_evicted(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.claim(1)
    yield 1
    cluster.evict_pod(1)
    yield 1
    cluster.finish(2)
    yield 1


def runs_out_of_memory_thrice(cluster: Cluster) -> Iterator[float]:
    for attempt in (1, 2, 3):
        yield 1
        cluster.claim(attempt)
        yield 1
        cluster.crash_pod(attempt, exit_code=137, reason="OOMKilled")
    yield 1


def loses_its_node(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.claim(1)
    yield 1
    cluster.lose_node(1)
    yield 1
    cluster.claim(2)
    yield 1
    assert not cluster.finish(1), "the old attempt is fenced"
    cluster.finish(2)
    yield 1


def has_its_job_deleted(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.claim(1)
    yield 1
    cluster.delete_job("one-1")
    yield 3
    cluster.remove_pods()
    yield 3
    cluster.finish(2)
    yield 1


def has_its_job_deleted_before_it_starts(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.delete_job("one-1")
    yield 1
    cluster.finish(1)
    yield 1


def has_its_pod_deleted(cluster: Cluster) -> Iterator[float]:
    yield 1
    pod = cluster.start_pod(1)
    cluster.claim(1, pod=pod)
    yield 1
    cluster.pods.clear()
    cluster.end_job(1, reason="BackoffLimitExceeded", message="Job has reached the limit")
    yield 1
    cluster.finish(2)
    yield 1


def is_cancelled_before_it_is_seen(cluster: Cluster) -> Iterator[float]:
    cluster.cancel()
    yield 1


def is_cancelled_while_pending(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.start_pod(1, phase="Pending", containerStatuses=[])
    cluster.cancel()
    yield 1
    cluster.remove_pods()
    yield 1


def is_cancelled_while_running(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.claim(1)
    yield 1
    cluster.cancel()
    yield 1
    cluster.finish(1, "Cancelled", "CancelRequested")
    yield 1


def is_cancelled_on_a_lost_node(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.claim(1)
    yield 1
    cluster.cancel()
    yield 60


def takes_too_long(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.claim(1)
    yield 70


def cannot_pull_its_image(cluster: Cluster) -> Iterator[float]:
    yield 1
    waiting = {"reason": "ErrImagePull", "message": "not found"}
    container = {"name": "flow", "image": "nope:1", "state": {"waiting": waiting}}
    cluster.start_pod(1, phase="Pending", containerStatuses=[container])
    yield 400


def is_refused_by_a_quota(cluster: Cluster) -> Iterator[float]:
    cluster.refuse_job = Refusal(403, "exceeded quota: jobs, requested: 1, limited: 0")
    yield 20
    cluster.refuse_job = None
    yield 20
    cluster.finish(1)
    yield 1


def has_parameters_that_do_not_fit(cluster: Cluster) -> Iterator[float]:
    assert cluster.flow is not None
    cluster.flow["spec"]["parameterSchema"] = {"required": ["day"]}
    yield 1


def waits_for_its_flow(cluster: Cluster) -> Iterator[float]:
    flow, cluster.flow = cluster.flow, None
    yield 5
    assert cluster.status["reason"] == "FlowNotFound"
    cluster.flow = flow
    yield 1
    cluster.finish(1)
    yield 1


def sleeps_twice(cluster: Cluster) -> Iterator[float]:
    for attempt in (1, 2):
        yield 1
        cluster.claim(attempt)
        yield 1
        cluster.leave(attempt, seconds=60)
        yield 60
    cluster.finish(3)
    yield 1


def waits_for_a_signal(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.leave(1, "Signal", name="approve")
    yield 600
    cluster.send("approve")
    yield 1
    cluster.finish(2, signals=[{"name": "hello", "state": "Consumed"}])
    yield 1
    assert cluster.signals["hello"]["status"]["state"] == "Consumed"


def is_sent_a_signal_too_early(cluster: Cluster) -> Iterator[float]:
    cluster.send("approve")
    yield 1
    cluster.claim(1)
    yield 1
    cluster.leave(1, "Signal", name="approve")
    yield 1
    cluster.finish(2)
    yield 1


def is_suspended_and_resumed(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.claim(1)
    yield 1
    cluster.suspend()
    yield 1
    cluster.leave(1, "Suspend")
    cluster.remove_pods()
    yield 3600
    assert cluster.state == "Suspended"
    cluster.resume()
    yield 1
    cluster.finish(2)
    yield 1


def is_suspended_on_a_lost_node(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.claim(1)
    yield 1
    cluster.suspend()
    yield 60
    cluster.resume()
    yield 1
    assert not cluster.finish(1), "the old attempt is fenced"
    cluster.finish(2)
    yield 1


def is_suspended_before_it_starts(cluster: Cluster) -> Iterator[float]:
    cluster.suspend()
    yield 3600
    cluster.resume()
    yield 1
    cluster.finish(1)
    yield 1


def is_cancelled_while_it_sleeps(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.leave(1, seconds=3600)
    yield 60
    cluster.cancel()
    yield 1


def sleeps_too_long(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.leave(1, seconds=3600)
    yield 70


def is_evicted_after_it_slept(cluster: Cluster) -> Iterator[float]:
    yield 1
    cluster.leave(1, seconds=60)
    yield 60
    cluster.evict_pod(2)
    yield 1
    cluster.finish(3)
    yield 1


def is_admitted_preempted_and_admitted_again(cluster: Cluster) -> Iterator[float]:
    cluster.run["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "batch"}
    yield 3600
    assert cluster.status["reason"] == "WaitingForAdmission"
    cluster.admit(1)
    cluster.claim(1)
    yield 1
    cluster.preempt(1)
    yield 10
    assert cluster.created_jobs == ["one-1"], "its pod still has its time"
    cluster.crash_pod(1, exit_code=137)
    yield 3600
    assert cluster.status["reason"] == "WaitingForAdmission"
    cluster.admit(2)
    cluster.finish(2)
    yield 1


@dataclass(frozen=True)
class Expected:
    state: str
    reason: str
    attempts: int
    flow: Object
    most_writes: int


LIVES: dict[Life, Expected] = {
    completes: Expected("Completed", "Completed", 1, {}, 5),
    is_evicted: Expected("Completed", "Completed", 2, {}, 8),
    runs_out_of_memory_thrice: Expected("Crashed", "OutOfMemory", 3, {}, 13),
    loses_its_node: Expected("Completed", "Completed", 2, {}, 10),
    has_its_job_deleted: Expected("Completed", "Completed", 2, {}, 8),
    has_its_job_deleted_before_it_starts: Expected("Completed", "Completed", 1, {}, 6),
    has_its_pod_deleted: Expected("Completed", "Completed", 2, {}, 8),
    is_cancelled_before_it_is_seen: Expected("Cancelled", "CancelRequested", 0, {}, 1),
    is_cancelled_while_pending: Expected("Cancelled", "CancelRequested", 1, {}, 6),
    is_cancelled_while_running: Expected("Cancelled", "CancelRequested", 1, {}, 7),
    is_cancelled_on_a_lost_node: Expected("Cancelled", "CancelRequested", 1, {}, 7),
    takes_too_long: Expected("Failed", "TimedOut", 1, {"timeoutSeconds": 60}, 6),
    cannot_pull_its_image: Expected("Failed", "ImageUnavailable", 1, {}, 6),
    is_refused_by_a_quota: Expected("Completed", "Completed", 1, {}, 8),
    has_parameters_that_do_not_fit: Expected("Failed", "InvalidParameters", 0, {}, 1),
    waits_for_its_flow: Expected("Completed", "Completed", 1, {}, 6),
    sleeps_twice: Expected("Completed", "Completed", 3, {}, 12),
    waits_for_a_signal: Expected("Completed", "Completed", 2, {}, 9),
    is_sent_a_signal_too_early: Expected("Completed", "Completed", 2, {}, 9),
    is_suspended_and_resumed: Expected("Completed", "Completed", 2, {}, 10),
    is_suspended_on_a_lost_node: Expected("Completed", "Completed", 2, {}, 10),
    is_suspended_before_it_starts: Expected("Completed", "Completed", 1, {}, 5),
    is_cancelled_while_it_sleeps: Expected("Cancelled", "CancelRequested", 1, {}, 5),
    sleeps_too_long: Expected("Failed", "TimedOut", 1, {"timeoutSeconds": 60}, 5),
    is_admitted_preempted_and_admitted_again: Expected("Completed", "Completed", 2, {}, 10),
    is_evicted_after_it_slept: Expected("Completed", "Completed", 3, {}, 10),
}


def live(life: Life, *, flow: Object, dies_after: int | None = None) -> Cluster:
    """Play a life; an operator that dies is followed by another, which does not."""
    cluster = Cluster.with_run(flow=flow)
    operator = Operator(cluster, writes_to_live=dies_after)
    for seconds in life(cluster):
        try:
            operator.wait(seconds=seconds)
        except Died:
            operator = Operator(cluster)
            operator.wait(seconds=seconds)
    return cluster


@pytest.mark.parametrize(
    ("life", "expected"), LIVES.items(), ids=lambda each: getattr(each, "__name__", "")
)
def test_a_run_ends_right_with_one_job_an_attempt_wherever_the_operator_dies(
    life: Life, expected: Expected
) -> None:
    undisturbed = live(life, flow=expected.flow)
    ends = [
        live(life, flow=expected.flow, dies_after=writes)
        for writes in range(1, len(undisturbed.writes) + 1)
    ]

    for end in (undisturbed, *ends):
        assert (end.state, end.status["reason"]) == (expected.state, expected.reason)
        assert end.status["attempt"] == expected.attempts
        assert sorted(set(end.created_jobs)) == [f"one-{n + 1}" for n in range(expected.attempts)]
        assert [each for each in end.states if each == expected.state] == [expected.state]
    assert len(undisturbed.writes) <= expected.most_writes


def test_an_undisturbed_run_takes_four_writes_besides_its_flows_snapshot() -> None:
    cluster = live(completes, flow={})

    assert cluster.writes == [
        "CreateSnapshot",
        "PatchRunStatus",
        "CreateJob",
        "PatchRunStatus",
        "PatchRunStatus",
    ]
    assert cluster.states == ["Pending", "Running", "Completed"]


def test_a_run_that_reports_all_at_once_takes_three_writes() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.wait(seconds=1)

    cluster.finish(1)
    operator.wait(seconds=1)

    assert cluster.states == ["Pending", "Completed"]
    assert cluster.status["startedAt"] == "2026-11-21T09:00:01Z"


def test_each_job_is_created_after_the_status_that_fences_its_attempt() -> None:
    for life, expected in LIVES.items():
        cluster = Cluster.with_run(flow=expected.flow)
        operator = FenceWatcher(cluster)
        for seconds in life(cluster):
            operator.wait(seconds=seconds)

        assert operator.unfenced == []


@dataclass
class FenceWatcher(Operator):
    """Looks at the status whenever a Job is created."""

    unfenced: list[str] = field(default_factory=list)

    def execute(self, plan: object) -> None:
        before = len(self.cluster.created_jobs)
        super().execute(plan)  # type: ignore[arg-type]
        for name in self.cluster.created_jobs[before:]:
            if name != self.cluster.status["jobName"]:
                self.unfenced.append(name)
