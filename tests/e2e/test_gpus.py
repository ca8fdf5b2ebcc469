"""Runs that ask for a GPU. The node says that it has one, which no pod here looks into."""

import json

import pytest
from tests.e2e.cluster import Object, scripted
from tests.e2e.namespaces import Namespace, Run
from tests.e2e.test_durability import progress

GPU = "nvidia.com/gpu"
ASKS: Object = {"resources": {"limits": {GPU: 1}}}


def _advertise(namespace: Namespace, gpus: int | None) -> None:
    """Let the first node have so many GPUs, as a device plugin tells it."""
    amount = None if gpus is None else {GPU: str(gpus)}
    status = {each: amount or {GPU: None} for each in ("capacity", "allocatable")}
    path = f"/api/v1/nodes/{namespace.cluster.nodes()[0]}/status"
    content = "application/merge-patch+json"
    namespace.cluster.request("PATCH", path, {"status": status}, content)


def _urgency(namespace: Namespace) -> None:
    body = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": namespace.name},
        "value": 1000,
    }
    namespace.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def _waits_for_a_node(run: Run, *, attempt: int) -> Object:
    return run.until(
        lambda status: status["attempt"] == attempt and status.get("reason") == "Unschedulable",
        f"attempt {attempt} waits for a node",
    )


def test_a_run_waits_for_a_gpu_leaves_it_to_a_more_urgent_one_and_goes_on(
    namespace: Namespace,
) -> None:
    if scripted("scripts/cluster", "backend") == "context":
        pytest.skip("the nodes of a context of one's own are not ours to change")
    _urgency(namespace)
    urgent_pod = {"spec": {"priorityClassName": namespace.name}}
    try:
        namespace.pool()
        batch = namespace.run(namespace.flow("long_first_attempt", **ASKS), name="batch")
        without = _waits_for_a_node(batch, attempt=1)
        _advertise(namespace, 1)
        batch.until(lambda status: progress(status) >= 4, "it has finished some tasks")

        flow = namespace.flow("tidy", **ASKS, podTemplate=urgent_pod)
        urgent = namespace.run(flow, name="urgent")
        preempted = _waits_for_a_node(batch, attempt=2)
        _advertise(namespace, 2)  # now: the launch has a deadline
        status = batch.end()
        urgent.until(lambda status: status["state"] == "Running", "the urgent one has its GPU")

        (lost,) = namespace.lost_attempts()
        # Of a pod that is gone before somebody asks for it, only its Job tells.
        assert "was preempted by a pod of higher priority" in lost or "was taken away" in lost
        for waiting in (without, preempted):
            assert f"Insufficient {GPU}" in waiting["message"]
            assert (waiting["state"], waiting["waitingFor"]["kind"]) == ("Pending", "Node")
        assert (status["state"], status["attempt"], status["recoveries"]) == ("Completed", 2, 1)
    finally:
        _advertise(namespace, None)
        namespace.kubectl("delete", "priorityclass", namespace.name, "--wait=false")
