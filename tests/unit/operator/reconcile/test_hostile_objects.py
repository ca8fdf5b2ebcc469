"""No object, however malformed, makes a reading or a plan raise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.reconcile.cluster import SETTINGS, START, Cluster, Operator

from penstock_operator.reconcile import reading
from penstock_operator.reconcile.flows import plan_flow
from penstock_operator.reconcile.observed import ObservedFlow, ObservedPool, RunnerAccess
from penstock_operator.reconcile.pools import plan_pool
from penstock_operator.reconcile.views import ConfigMapView, Malformed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    ["metadata", "spec", "status", "name", "uid", "labels", "ownerReferences", "conditions",
     "containerStatuses", "state", "waiting", "terminated", "exitCode", "template", "containers",
     "volumes", "env", "securityContext", "creationTimestamp", "deletionTimestamp", "active"]
)  # fmt: skip
NASTY = st.sampled_from(
    [None, True, 0, -1, 2**63, 1e400, float("nan"), "", "x", "\x00", "1" * 40, [], {}, [None], [[]],
     {"": None}, "2026-01-01T00:00:00Z"]
)  # fmt: skip


def grown(inner: st.SearchStrategy[Any], *, levels: int) -> st.SearchStrategy[Any]:
    """Nest values; ``st.recursive`` takes ten times as long to draw."""
    for _ in range(levels):
        inner = (
            JSON | NASTY | st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5)
        )
    return inner


OBJECTS = grown(JSON | NASTY, levels=3)
RAW = st.dictionaries(FIELDS, OBJECTS, max_size=5)


@given(raw=RAW)
def test_every_raw_object_can_be_read(raw: dict[str, Any]) -> None:
    reading.read_job(raw)
    reading.read_pod(raw)
    reading.read_event(raw)
    reading.read_config_map(raw)
    reading.read_run(raw)
    reading.read_flow(raw)
    reading.read_pool(raw)


@given(template=RAW, schema=RAW, parameters=JSON, source=st.dictionaries(st.text(), st.text()))
def test_every_flow_can_be_planned(
    template: dict[str, Any], schema: dict[str, Any], parameters: Any, source: dict[str, str]
) -> None:
    cluster = Cluster.with_run(
        flow={
            "parameterSchema": schema,
            "parameters": {"a": parameters},
            "podTemplate": {"spec": template},
        },
        pool={"podTemplate": {"spec": template}},
    )
    flow, pool = reading.read_flow(cluster.flow or {}), reading.read_pool(cluster.pool or {})

    view = ConfigMapView("code", source)
    plan_flow(ObservedFlow(flow, pool, view), now=START, settings=SETTINGS)
    plan_pool(ObservedPool(pool, RunnerAccess()), now=START, settings=SETTINGS)
    Operator(cluster).settle()


@given(pod=RAW, job_status=OBJECTS, event=RAW)
def test_every_pod_job_and_event_can_be_met(
    pod: dict[str, Any], job_status: Any, event: dict[str, Any]
) -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    mine = cluster.start_pod(1)
    mine["status"] = pod
    cluster.job(1)["status"] = job_status
    cluster.events.append(event)

    operator.wait(seconds=20)


@pytest.mark.parametrize("depth", [300, 5000])
def test_objects_nested_without_end_are_malformed_or_fine(depth: int) -> None:
    nest: Any = 1
    for _ in range(depth):
        nest = [nest]
    metadata = {"name": "x", "namespace": "team"}

    flow = reading.read_flow(
        {"metadata": metadata, "spec": {"entrypoint": "a:b", "parameters": {"a": nest}}}
    )

    assert isinstance(flow, Malformed)
    assert flow.metadata.name == "x"


def test_a_malformed_object_says_which_field_is_wrong() -> None:
    flow = reading.read_flow({"metadata": {"name": "x"}, "spec": {"entrypoint": {}}})

    assert isinstance(flow, Malformed)
    assert "spec.entrypoint" in flow.sentence


def test_a_status_that_a_newer_operator_wrote_is_read_as_far_as_possible() -> None:
    raw = {
        "metadata": {"name": "x"},
        "spec": {"flowRef": {"name": "f"}},
        "status": {"state": "Running", "reason": "AWordOfTheFuture", "attempt": 1},
    }

    run = reading.read_run(raw)

    assert not isinstance(run, Malformed)
    assert run.status.reason is None
