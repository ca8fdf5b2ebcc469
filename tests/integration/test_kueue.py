"""Jobs that Kueue admits: a test plays it by their spec.suspend, and a node runs real runners."""

from __future__ import annotations

from pathlib import Path

from tests.integration.apiserver import Object
from tests.integration.nodes import Node
from tests.integration.world import Operator, World, eventually

from penstock_operator.reconcile.settings import Settings

QUEUE = "kueue.x-k8s.io/queue-name"
STEPS = """
from pathlib import Path
import time
from penstock import flow, task

GATE = Path({gate!r})

@task
def before():
    print("before", flush=True)

@task
def after():
    while not GATE.exists():
        time.sleep(0.05)

@flow
def daily():
    before()
    after()
"""


class Kueue:
    """Does with Jobs what Kueue does, by the same writes."""

    def __init__(self, world: World) -> None:
        self._world = world

    def admit(self, job: str) -> Object:
        """Let a Job go, to nodes of the flavour that it got."""
        template = {"spec": {"nodeSelector": {"flavour": "spot"}}}
        return self._patch(job, {"suspend": False, "template": template})

    def preempt(self, job: str) -> Object:
        """Take a Job's place away."""
        return self._patch(job, {"suspend": True})

    def _patch(self, job: str, spec: Object) -> Object:
        return self._world.api.merge(self._world.path("jobs", job), {"spec": spec})


def label(world: World, plural: str, name: str, **labels: str) -> None:
    named = {f"kueue.x-k8s.io/{key.replace('_', '-')}": value for key, value in labels.items()}
    world.api.merge(world.path(plural, name), {"metadata": {"labels": named}})


def test_a_job_is_handed_to_kueue_suspended_with_its_labels(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    world.create_flow()
    label(world, "workpools", "default", queue_name="team-a", priority_class="low")
    label(world, "flows", "daily", queue_name="team-b")
    world.create_run("one")

    job = world.wait_for_job("one-1")
    status = world.wait_for_reason("one", "WaitingForAdmission")

    labels = {k: v for k, v in job["metadata"]["labels"].items() if k.startswith("kueue")}
    assert labels == {QUEUE: "team-b", "kueue.x-k8s.io/priority-class": "low"}
    assert job["spec"]["suspend"] is True
    assert (status["state"], status["waitingFor"]["name"]) == ("Pending", "team-b")
    assert "waits for admission by Kueue" in status["message"]


def test_a_run_is_admitted_preempted_and_admitted_again(
    world: World, release: str, kubeconfig: Path, tmp_path: Path
) -> None:
    settings = Settings(runner_image="runner:test", runner_cluster_role=f"{release}-runner")
    world.api.merge(
        f"/api/v1/namespaces/{world.namespace}", {"metadata": {"labels": {"release": release}}}
    )
    gate, kueue = tmp_path / "gate", Kueue(world)
    code = STEPS.format(gate=str(gate))
    with (
        Operator(kubeconfig, world.namespace, settings=settings) as operator,
        Node(world, folder=tmp_path, flows={"daily": code}) as node,
    ):
        operator.wait_until_acting()
        world.create_pool(job={"labels": {QUEUE: "team-a"}})
        world.create_flow()
        world.create_run("one")
        world.wait_for_reason("one", "WaitingForAdmission", within=60)
        kueue.admit("one-1")
        world.wait_for_state("one", "Running", within=60)
        eventually(lambda: world.status("one")["execution"].get("progress") == "1/2", within=60)

        kueue.preempt("one-1")
        second = world.wait_for_job("one-2", within=60)
        waiting = world.wait_for_reason("one", "WaitingForAdmission", within=60)
        gate.touch()
        kueue.admit("one-2")
        status = world.wait_for_state("one", "Completed", within=60)

        assert second["spec"]["suspend"] is True
        assert waiting["recoveries"] == 1
        assert (status["attempt"], status["recoveries"]) == (2, 1)
        assert node.started == ["one-1", "one-2"]
        eventually(lambda: len(node.running) == 0, within=60)
        assert [line for line in node.lines if line.endswith("before")] == ["one-1: before"]
        assert operator.calls is not None
        assert "PATCH jobs" not in operator.calls.writes()
