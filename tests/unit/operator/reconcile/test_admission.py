"""What holds a run before its first launch, and that it starts when that is mended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Operator

Act = Callable[[Cluster], None]


def change_flow(**spec: object) -> Act:
    def act(cluster: Cluster) -> None:
        assert cluster.flow is not None
        cluster.flow["spec"] |= spec

    return act


def change_pool(**spec: object) -> Act:
    def act(cluster: Cluster) -> None:
        assert cluster.pool is not None
        cluster.pool["spec"] |= spec

    return act


def lose(kind: str) -> Act:
    return lambda cluster: setattr(cluster, kind, None)


def forget_preparation(cluster: Cluster) -> None:
    assert cluster.pool is not None
    del cluster.pool["status"]


PRIVILEGED = {"containers": [{"name": "s", "securityContext": {"privileged": True}}]}
HOLDS: dict[str, tuple[Act, str, str, str]] = {
    "no flow": (lose("flow"), "FlowNotFound", "Flow", "Create it"),
    "malformed flow": (change_flow(entrypoint=3), "FlowStalled", "Flow", "spec.entrypoint"),
    "suspended flow": (change_flow(suspend=True), "FlowSuspended", "Flow", "spec.suspend"),
    "bad schema": (change_flow(parameterSchema={"type": 3}), "FlowStalled", "Flow", "type"),
    "bad defaults": (
        change_flow(parameters={"a": 1}, parameterSchema={"properties": {"a": {"type": "string"}}}),
        "FlowStalled",
        "Flow",
        "a: 1 is not of type 'string'",
    ),
    "no image": (change_flow(source={"image": {}}), "FlowStalled", "Flow", "names an image"),
    "no config map": (
        change_flow(source={"configMap": {"name": "code"}}),
        "FlowStalled",
        "Flow",
        "ConfigMap code",
    ),
    "no such file": (change_flow(entrypoint="other.py:f"), "FlowStalled", "Flow", "other.py"),
    "privileged sidecar": (
        change_flow(podTemplate={"spec": PRIVILEGED}),
        "FlowStalled",
        "Flow",
        "containers[s].securityContext.privileged",
    ),
    "no pool": (lose("pool"), "WorkPoolNotFound", "WorkPool", "Create it"),
    "malformed pool": (change_pool(image=3), "WorkPoolStalled", "WorkPool", "spec.image"),
    "suspended pool": (change_pool(suspend=True), "WorkPoolSuspended", "WorkPool", "spec.suspend"),
    "bad pool template": (
        change_pool(podTemplate={"spec": {"volumes": [{"name": "penstock-tmp"}]}}),
        "WorkPoolStalled",
        "WorkPool",
        "volumes[penstock-tmp]",
    ),
    "unprepared pool": (forget_preparation, "WorkPoolStalled", "WorkPool", "operator's log"),
}
ON_PURPOSE = ("FlowSuspended", "WorkPoolSuspended")


@pytest.mark.parametrize(("act", "reason", "kind", "words"), HOLDS.values(), ids=list(HOLDS))
def test_a_run_that_cannot_start_says_why_and_starts_when_that_is_mended(
    act: Act, reason: str, kind: str, words: str
) -> None:
    cluster, sound = Cluster.with_run(), Cluster.with_run()
    act(cluster)
    operator = Operator(cluster)
    operator.wait(seconds=5)
    held, writes = cluster.status, list(cluster.writes)

    cluster.flow, cluster.pool = sound.flow, sound.pool
    operator.settle()

    assert (held["state"], held["reason"]) == ("Scheduled", reason)
    assert held["waitingFor"]["kind"] == kind
    assert words in held["message"]
    stalled = next(each["status"] for each in held["conditions"] if each["type"] == "Stalled")
    assert stalled == ("False" if reason in ON_PURPOSE else "True")
    assert writes == ["PatchRunStatus"]
    assert cluster.created_jobs == ["one-1"]


@pytest.mark.parametrize("kind", ["flow", "pool"])
def test_a_run_that_is_applied_a_moment_before_what_it_needs_takes_no_further_write(
    kind: str,
) -> None:
    cluster = Cluster.with_run()
    found = getattr(cluster, kind)
    setattr(cluster, kind, None)
    operator = Operator(cluster)
    operator.wait(seconds=1)
    setattr(cluster, kind, found)

    operator.wait(seconds=1)

    assert cluster.states == ["Pending"]


def test_a_run_waits_quietly_for_its_new_pool_to_be_prepared() -> None:
    cluster = Cluster.with_run()
    forget_preparation(cluster)
    operator = Operator(cluster)
    operator.wait(seconds=4)
    assert cluster.pool is not None
    cluster.pool["status"] = {"observedGeneration": 1}

    operator.wait(seconds=1)

    assert cluster.states == ["Pending"]


def test_suspending_holds_nothing_that_has_started() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    cluster.claim(1)
    change_flow(suspend=True)(cluster)
    change_pool(suspend=True)(cluster)

    cluster.evict_pod(1)
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_parameters_are_checked_before_any_pod() -> None:
    schema = {"properties": {"day": {"type": "string"}}, "additionalProperties": False}
    cluster = Cluster.with_run(
        flow={"parameterSchema": schema}, run={"parameters": {"day": 3, "dya": 1}}
    )

    Operator(cluster).settle()

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "InvalidParameters")
    assert "day: 3 is not of type 'string'; 'dya' is not expected" in cluster.status["message"]
    assert cluster.writes == ["PatchRunStatus"]
    assert "startedAt" not in cluster.status


def test_code_in_a_config_map_is_taken_as_it_is_at_the_launch() -> None:
    cluster = Cluster.with_run(flow={"source": {"configMap": {"name": "code"}}})
    cluster.config_maps["code"] = {"metadata": {"name": "code"}, "data": {"flow.py": "old"}}
    operator = Operator(cluster)
    cluster.config_maps["code"]["data"] = {"flow.py": "new"}

    operator.settle()

    snapshot = cluster.config_maps[f"daily-{cluster.status['codeVersion']}"]
    assert snapshot["data"]["file-0"] == "new"


def test_a_flow_whose_snapshot_exists_costs_its_runs_no_write_for_it() -> None:
    first = Cluster.with_run()
    Operator(first).settle()
    cluster = Cluster.with_run()
    assert cluster.flow is not None
    cluster.flow["status"] = {"codeVersion": first.status["codeVersion"]}

    Operator(cluster).settle()

    assert cluster.writes == ["PatchRunStatus", "CreateJob"]


@pytest.mark.parametrize(
    ("flow", "pool", "image"),
    [
        pytest.param({"image": "a:1"}, {"image": "b:1"}, "a:1", id="flow"),
        pytest.param({}, {"image": "b:1"}, "b:1", id="pool"),
        pytest.param({}, {}, "runner:1", id="runner"),
    ],
)
def test_the_image_is_the_flows_else_the_pools_else_the_runners(
    flow: dict[str, str], pool: dict[str, str], image: str
) -> None:
    cluster = Cluster.with_run(flow=flow, pool=pool)

    Operator(cluster).settle()

    (container,) = cluster.job(1)["spec"]["template"]["spec"]["containers"]
    assert (container["image"], cluster.status["image"]) == (image, image)
