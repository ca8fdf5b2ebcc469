"""Plans of Flows and WorkPools, of history and of snapshots."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.operator.reconcile.cluster import SETTINGS, START, Cluster, Object

from penstock_operator.model.flow import Flow, History
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile import actions as do
from penstock_operator.reconcile.flows import plan_flow
from penstock_operator.reconcile.history import plan_history
from penstock_operator.reconcile.observed import (
    NOT_LOOKED,
    Look,
    ObservedFlow,
    ObservedPool,
    PoolUse,
    RunnerAccess,
)
from penstock_operator.reconcile.pools import plan_pool
from penstock_operator.reconcile.reading import read_flow, read_pool
from penstock_operator.reconcile.snapshots import plan_snapshots
from penstock_operator.reconcile.views import (
    BindingView,
    ConfigMapView,
    FinishedRun,
    Series,
    SnapshotView,
)

LATER = START + timedelta(minutes=5)


def observed_flow(**spec: Any) -> ObservedFlow:
    cluster = Cluster.with_run(flow=spec)
    assert cluster.flow is not None
    assert cluster.pool is not None
    return ObservedFlow(read_flow(cluster.flow), read_pool(cluster.pool))


def after_its_plan(observed: ObservedFlow) -> ObservedFlow:
    """Observe the Flow with the status that its plan wrote."""
    *_, patch = plan_flow(observed, now=START, settings=SETTINGS).actions
    assert isinstance(patch, do.PatchFlowStatus)
    assert isinstance(observed.flow, Flow)
    return replace(observed, flow=observed.flow.model_copy(update={"status": patch.status}))


def readiness(plan: do.Plan) -> tuple[str, str, str]:
    patch = plan.actions[-1]
    assert isinstance(patch, do.PatchFlowStatus | do.PatchPoolStatus)
    ready, stalled = patch.status.conditions
    return ready.status, stalled.status, ready.reason


def test_a_new_flow_gets_its_snapshot_before_its_status_names_it() -> None:
    snapshot, patch = plan_flow(observed_flow(), now=START, settings=SETTINGS).actions

    assert isinstance(snapshot, do.CreateSnapshot)
    assert isinstance(patch, do.PatchFlowStatus)
    assert snapshot.manifest["metadata"]["name"] == f"daily-{patch.status.code_version}"  # type: ignore[call-overload,index]


def test_a_flow_that_has_not_changed_is_left_alone() -> None:
    observed = after_its_plan(observed_flow())

    assert plan_flow(observed, now=LATER, settings=SETTINGS) == do.Plan()


def test_a_change_that_the_code_does_not_see_takes_no_snapshot() -> None:
    observed = after_its_plan(observed_flow())
    assert isinstance(observed.flow, Flow)
    spec = observed.flow.spec.model_copy(update={"suspend": True})
    flow = observed.flow.model_copy(update={"spec": spec})

    plan = plan_flow(replace(observed, flow=flow), now=LATER, settings=SETTINGS)

    assert [type(each) for each in plan.actions] == [do.PatchFlowStatus]
    assert readiness(plan) == ("True", "False", "Suspended")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"parameterSchema": {"type": 1}}, "InvalidParameterSchema", id="schema"),
        pytest.param(
            {"parameters": {"a": 1}, "parameterSchema": {"additionalProperties": False}},
            "InvalidParameters",
            id="defaults",
        ),
        pytest.param(
            {"podTemplate": {"spec": {"containers": [{"name": "flow", "image": "x"}]}}},
            "InvalidPodTemplate",
            id="template",
        ),
        pytest.param(
            {
                "podTemplate": {
                    "metadata": {
                        "annotations": {
                            "container.apparmor.security.beta.kubernetes.io/flow": "unconfined"
                        }
                    }
                }
            },
            "InvalidPodTemplate",
            id="annotation",
        ),
        pytest.param({"source": {"image": {}}}, "ImageMissing", id="image"),
        pytest.param({"entrypoint": "no.py:f"}, "InvalidSource", id="file"),
        pytest.param({"entrypoint": 3}, "Malformed", id="malformed"),
        pytest.param({"source": {"configMap": {"name": "x"}}}, "ConfigMapNotFound", id="map"),
    ],
)
def test_a_flow_that_cannot_be_used_is_stalled(spec: dict[str, Any], reason: str) -> None:
    observed = replace(observed_flow(**spec), source=None)

    plan = plan_flow(observed, now=START, settings=SETTINGS)

    assert len(plan.actions) == 1
    assert readiness(plan) == ("False", "True", reason)


def test_a_malformed_flow_is_told_so_once() -> None:
    cluster = Cluster.with_run(flow={"entrypoint": 3})
    assert cluster.flow is not None
    observed = ObservedFlow(read_flow(cluster.flow), None)
    (patch,) = plan_flow(observed, now=START, settings=SETTINGS).actions
    assert isinstance(patch, do.PatchFlowStatus)
    cluster.flow["status"] = patch.status.to_wire()

    told = ObservedFlow(read_flow(cluster.flow), None)

    assert plan_flow(told, now=LATER, settings=SETTINGS) == do.Plan()


def test_a_flow_of_an_unknown_pool_is_not_blamed_for_it() -> None:
    observed = replace(observed_flow(source={"image": {}}), pool=None)

    assert readiness(plan_flow(observed, now=START, settings=SETTINGS))[0] == "True"


def test_code_in_a_config_map_is_looked_up_and_too_much_of_it_is_refused() -> None:
    observed = observed_flow(source={"configMap": {"name": "code"}})
    need = plan_flow(observed, now=START, settings=SETTINGS).need
    huge = ConfigMapView("code", {"flow.py": "x" * 1_020_000})

    plan = plan_flow(replace(observed, source=huge), now=START, settings=SETTINGS)

    assert need == {Look.SOURCE}
    assert readiness(plan) == ("False", "True", "InvalidSource")


def test_a_config_map_is_looked_at_again_by_the_clock() -> None:
    observed = observed_flow(source={"configMap": {"name": "code"}})
    code = ConfigMapView("code", {"flow.py": "def daily(): ..."})

    absent = plan_flow(replace(observed, source=None), now=START, settings=SETTINGS)
    present = plan_flow(replace(observed, source=code), now=START, settings=SETTINGS)
    inline = plan_flow(observed_flow(), now=START, settings=SETTINGS)

    assert absent.requeue_after == timedelta(seconds=5)
    assert present.requeue_after == timedelta(seconds=60)
    assert inline.requeue_after is None


def observed_pool(access: RunnerAccess | None = None, **spec: Any) -> ObservedPool:
    cluster = Cluster.with_run(pool=spec)
    assert cluster.pool is not None
    del cluster.pool["status"]
    pool = read_pool(cluster.pool)
    return ObservedPool(pool) if access is None else ObservedPool(pool, access, "")


BOUND = RunnerAccess(
    frozenset({"penstock-runner"}),
    (BindingView("penstock-runner", "penstock-runner", frozenset({"penstock-runner"})),),
)


def test_a_pool_looks_after_its_runners_account_before_it_is_ready() -> None:
    need = plan_pool(observed_pool(), now=START, settings=SETTINGS).need
    plan = plan_pool(observed_pool(RunnerAccess()), now=START, settings=SETTINGS)

    assert need == {Look.ACCESS}
    assert [type(each) for each in plan.actions] == [
        do.EnsureServiceAccount,
        do.EnsureRoleBinding,
        do.PatchPoolStatus,
    ]
    assert readiness(plan) == ("True", "False", "Ready")


UNREADABLE = 'strict decoding error: unknown field "spec.podTemplate.spec.nodeSelectr"'


def test_a_template_that_cannot_be_read_makes_the_pool_stalled_until_it_can() -> None:
    observed = observed_pool(BOUND, podTemplate={"spec": {"nodeSelectr": {}}})
    need = plan_pool(replace(observed, unreadable=NOT_LOOKED), now=START, settings=SETTINGS).need
    plan = plan_pool(replace(observed, unreadable=UNREADABLE), now=START, settings=SETTINGS)
    patch = plan.actions[-1]
    assert isinstance(patch, do.PatchPoolStatus)
    assert isinstance(observed.pool, WorkPool)
    stalled = observed.pool.model_copy(update={"status": patch.status})
    later = ObservedPool(stalled, BOUND)
    mended = plan_pool(replace(later, unreadable=""), now=LATER, settings=SETTINGS)

    assert need == {Look.ACCESS, Look.TEMPLATE}
    assert readiness(plan) == ("False", "True", "InvalidPodTemplate")
    assert "spec.podTemplate.spec.nodeSelectr" in patch.status.conditions[1].message
    assert Look.TEMPLATE in plan_pool(later, now=LATER, settings=SETTINGS).need
    assert readiness(mended) == ("True", "False", "Ready")


def test_a_template_is_tried_once() -> None:
    observed = observed_pool(BOUND, podTemplate={"spec": {"nodeSelector": {}}})
    patch = plan_pool(observed, now=START, settings=SETTINGS).actions[-1]
    assert isinstance(patch, do.PatchPoolStatus)
    assert isinstance(observed.pool, WorkPool)
    ready = observed.pool.model_copy(update={"status": patch.status})

    assert plan_pool(ObservedPool(ready, BOUND), now=LATER, settings=SETTINGS) == do.Plan()


def test_a_pool_that_has_all_is_left_alone() -> None:
    observed = observed_pool(BOUND)
    (patch,) = plan_pool(observed, now=START, settings=SETTINGS).actions
    assert isinstance(patch, do.PatchPoolStatus)
    assert isinstance(observed.pool, WorkPool)
    pool = observed.pool.model_copy(update={"status": patch.status})

    plan = plan_pool(replace(observed, pool=pool), now=LATER, settings=SETTINGS)

    assert plan == do.Plan()


def test_a_run_that_is_younger_than_nothing_has_not_waited() -> None:
    """The API server's clock may be ahead of the operator's."""
    use = PoolUse({"default": (1, 1)}, waiting_since=START + timedelta(seconds=3))
    observed = replace(observed_pool(BOUND, concurrency=1), use=use)

    (patch,) = plan_pool(observed, now=START, settings=SETTINGS).actions

    assert isinstance(patch, do.PatchPoolStatus)
    assert patch.status.oldest_wait_seconds == 0


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param(
            {"concurrency": 3},
            "Runs can be launched. Not started yet, though they hold a slot: 1 Unschedulable, 2"
            " WaitingForAdmission.",
            id="limited",
        ),
        pytest.param({}, "Runs can be launched.", id="unlimited"),
    ],
)
def test_a_pool_tells_what_keeps_its_runs_from_starting(spec: dict[str, Any], told: str) -> None:
    held = {"Unschedulable": 1, "WaitingForAdmission": 2}
    use = PoolUse({"default": (3, 0)}, not_started=held)
    observed = replace(observed_pool(BOUND, **spec), use=use)

    (patch,) = plan_pool(observed, now=START, settings=SETTINGS).actions

    assert isinstance(patch, do.PatchPoolStatus)
    assert {each.message for each in patch.status.conditions} == {told}


def test_a_binding_to_another_role_is_replaced() -> None:
    binding = replace(BOUND.bindings[0], role="of an older release")
    access = replace(BOUND, bindings=(binding,))

    action = plan_pool(observed_pool(access), now=START, settings=SETTINGS).actions[0]

    assert isinstance(action, do.EnsureRoleBinding)
    assert action.replace


def test_a_pools_own_account_is_bound_but_not_made() -> None:
    template = {"spec": {"serviceAccountName": "cloud"}}
    observed = observed_pool(BOUND, podTemplate=template)

    bind, patch = plan_pool(observed, now=START, settings=SETTINGS).actions

    assert isinstance(bind, do.EnsureRoleBinding)
    assert bind.manifest["metadata"]["name"] == "penstock-runner-default"  # type: ignore[call-overload,index]
    assert bind.manifest["subjects"][0]["name"] == "cloud"  # type: ignore[call-overload,index]
    assert isinstance(patch, do.PatchPoolStatus)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"podTemplate": {"spec": {"volumes": 3}}}, "InvalidPodTemplate", id="shape"),
        pytest.param({"image": {}}, "Malformed", id="malformed"),
    ],
)
def test_a_pool_that_cannot_be_used_is_stalled(spec: Object, reason: str) -> None:
    plan = plan_pool(observed_pool(BOUND, **spec), now=START, settings=SETTINGS)

    assert readiness(plan) == ("False", "True", reason)


def finished(name: str, *, minutes: int, successful: bool = True) -> FinishedRun:
    return FinishedRun("team", name, f"uid-{name}", successful, START + timedelta(minutes=minutes))


def doomed(plan: do.Plan) -> list[str]:
    return [each.name for each in plan.actions if isinstance(each, do.DeleteRun)]


def test_history_keeps_the_newest_of_each_sort_and_deletes_the_oldest_first() -> None:
    runs = (
        *(finished(f"good-{n}", minutes=n) for n in (3, 1, 2)),
        *(finished(f"bad-{n}", minutes=n, successful=False) for n in (3, 1)),
    )

    plan = plan_history(runs, history=History(successful_runs=1, failed_runs=0), now=LATER)

    assert doomed(plan) == ["bad-1", "good-1", "good-2", "bad-3"]


def test_history_keeps_what_a_rerun_is_to_begin_with() -> None:
    runs = (finished("old", minutes=1, successful=False), finished("new", minutes=2))

    plan = plan_history(
        runs,
        history=History(successful_runs=0, failed_runs=0),
        now=LATER,
        wanted=frozenset({"old"}),
    )

    assert doomed(plan) == ["new"]


def test_a_schedule_clears_away_what_it_made_itself_and_nothing_else() -> None:
    often, nightly, january = Series("often"), Series("nightly"), Series("nightly", "january")
    runs = tuple(
        replace(finished(f"{kind}-{n}", minutes=n + age), series=series)
        for age, (kind, series) in enumerate(
            {"hand": Series(""), "night": nightly, "january": january, "often": often}.items()
        )
        for n in (10, 20)
    )

    plan = plan_history(
        runs,
        history=History(successful_runs=1),
        now=LATER,
        series=frozenset({often, nightly, january}),
    )

    assert doomed(plan) == ["hand-10", "night-10", "january-10", "often-10"]


def test_runs_of_schedules_and_backfills_that_are_gone_count_together_with_others() -> None:
    runs = (
        replace(finished("gone", minutes=1), series=Series("gone")),
        replace(finished("given-up", minutes=2), series=Series("nightly", "given-up")),
        finished("hand", minutes=3),
        replace(finished("night", minutes=0), series=Series("nightly")),
    )

    plan = plan_history(
        runs,
        history=History(successful_runs=1),
        now=LATER,
        series=frozenset({Series("nightly")}),
    )

    assert doomed(plan) == ["gone", "given-up"]


def test_history_by_age_comes_back_for_the_next() -> None:
    runs = (finished("old", minutes=0), finished("young", minutes=3))

    plan = plan_history(runs, history=History(ttl_seconds_after_finished=240), now=LATER)

    assert doomed(plan) == ["old"]
    assert plan.requeue_after == timedelta(minutes=2)


def test_snapshots_that_nothing_names_are_deleted_when_they_are_not_young() -> None:
    old, young = START - timedelta(hours=1), START - timedelta(minutes=5)
    snapshots = tuple(
        SnapshotView("team", name, name, born)
        for name, born in [("wanted", old), ("left", old), ("young", young)]
    )

    plan = plan_snapshots(snapshots, wanted=frozenset({("team", "wanted")}), now=START)

    assert plan.actions == (do.DeleteSnapshot("team", "left", "left"),)
