"""Parents and children: what wakes a parent, and what ends a child."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.reconcile.cluster import Cluster, Conflict, Died, Operator, written

from penstock_operator.model.flow import History
from penstock_operator.reconcile.history import plan_history
from penstock_operator.reconcile.views import FinishedRun

HOUR = 3600


def child(*, policy: str = "Cancel", started: bool = True) -> tuple[Cluster, Operator]:
    """Return a run that the run `parent` has started."""
    cluster = Cluster.with_run()
    uid = cluster.with_other("parent")["metadata"]["uid"]
    cluster.run["spec"]["parentRef"] = {"name": "parent", "uid": uid, "closePolicy": policy}
    operator = Operator(cluster)
    if started:
        operator.settle()
        cluster.claim(1)
        operator.settle()
    return cluster, operator


def waiting_for(*runs: str) -> tuple[Cluster, Operator]:
    """Return a run that waits without a pod for the end of others."""
    cluster = Cluster.with_run()
    for run in runs:
        cluster.with_other(run)
    operator = Operator(cluster)
    operator.settle()
    cluster.leave(1, "Run", name=runs[0], runs=list(runs))
    operator.settle()
    return cluster, operator


def test_a_run_that_waits_for_a_child_says_so() -> None:
    cluster, operator = waiting_for("load")

    plan = operator.reconcile()

    assert (cluster.state, cluster.status["reason"]) == ("Suspended", "WaitingForRun")
    assert cluster.status["waitingFor"]["kind"] == "Run"
    assert cluster.status["waitingFor"]["name"] == "load"
    assert "waits for the end of the run load, without a pod" in cluster.status["message"]
    assert plan.requeue_after is None


@pytest.mark.parametrize("state", ["Completed", "Failed", "Crashed", "Cancelled"])
def test_the_end_of_a_child_wakes_its_parent_however_it_ended(state: str) -> None:
    cluster, operator = waiting_for("load")

    cluster.with_other("load", state)
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]
    assert cluster.status["reason"] == "Resuming"
    assert "The run load has ended." in cluster.status["message"]
    assert cluster.status["recoveries"] == 0


def test_a_child_that_was_deleted_wakes_its_parent() -> None:
    cluster, operator = waiting_for("load")

    del cluster.others["load"]
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_any_of_several_children_wakes_the_parent() -> None:
    cluster, operator = waiting_for("load", "train", "report")

    cluster.with_other("report", "Completed")
    operator.settle()

    assert "The run report has ended." in cluster.status["message"]


def test_a_child_that_the_operator_has_not_seen_yet_wakes_nobody() -> None:
    _, operator = waiting_for("load")
    operator.refresh()
    operator.seen["others"] = written({})

    plan = operator.plan()

    assert plan.actions == ()


def test_a_parent_whose_child_ended_while_no_operator_ran_is_woken_by_the_next() -> None:
    cluster, _ = waiting_for("load")
    cluster.with_other("load", "Completed")
    cluster.now += timedelta(days=3)

    Operator(cluster).settle()

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_wait_for_a_child_may_end_by_a_sleep_beside_it() -> None:
    cluster = Cluster.with_run()
    cluster.with_other("load")
    operator = Operator(cluster)
    operator.settle()
    cluster.leave(1, "Sleep", seconds=HOUR, runs=["load"])
    operator.settle()

    cluster.with_other("load", "Failed")
    operator.settle()

    assert "The run load has ended." in cluster.status["message"]


PARENT_ENDS = [
    pytest.param(lambda c: c.with_other("parent", "Completed"), "has ended as Completed", id="ok"),
    pytest.param(lambda c: c.with_other("parent", "Crashed"), "has ended as Crashed", id="crash"),
    pytest.param(lambda c: c.with_other("parent", cancel=True), "is cancelled", id="cancelled"),
    pytest.param(lambda c: c.others.clear(), "does not exist any more", id="deleted"),
    pytest.param(
        lambda c: c.others["parent"]["metadata"].update(uid="uid-later"),
        "does not exist any more",
        id="another run has its name",
    ),
]


@pytest.mark.parametrize(("ends", "words"), PARENT_ENDS)
def test_a_running_child_is_cancelled_when_its_parent_ends(
    ends: Callable[[Cluster], object], words: str
) -> None:
    cluster, operator = child()

    ends(cluster)
    operator.settle()
    told = (cluster.state, cluster.status["reason"], cluster.status["message"])
    cluster.remove_pods()
    operator.settle()

    assert told[:2] == ("Cancelling", "ParentClosed")
    assert words in told[2]
    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "ParentClosed")


@pytest.mark.parametrize(("ends", "words"), PARENT_ENDS)
def test_a_child_that_has_not_started_never_does_when_its_parent_has_ended(
    ends: Callable[[Cluster], object], words: str
) -> None:
    cluster, operator = child(started=False)

    ends(cluster)
    operator.settle()

    assert cluster.state == "Cancelled"
    assert words in cluster.status["message"]
    assert cluster.created_jobs == []


@pytest.mark.parametrize(("ends", "words"), PARENT_ENDS)
def test_an_abandoned_child_outlives_its_parent(
    ends: Callable[[Cluster], object], words: str
) -> None:
    cluster, operator = child(policy="Abandon")

    ends(cluster)
    operator.settle()

    assert cluster.state == "Running", words


def test_a_suspended_child_is_cancelled_at_once_when_its_parent_ends() -> None:
    cluster, operator = child()
    cluster.leave(1, seconds=HOUR)
    operator.settle()
    cluster.jobs.clear()

    cluster.with_other("parent", "Failed")
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "ParentClosed")


def test_a_child_goes_on_while_its_parent_waits_without_a_pod() -> None:
    cluster, operator = child()

    cluster.with_other("parent", "Suspended")
    operator.settle()

    assert cluster.state == "Running"


def test_a_child_that_completes_while_its_parent_ends_has_completed() -> None:
    cluster, operator = child()
    cluster.with_other("parent", "Failed")
    operator.settle()

    cluster.finish(1)
    operator.settle()

    assert cluster.state == "Completed"


def test_a_child_whose_runner_says_that_it_is_cancelled_tells_why() -> None:
    cluster, operator = child()
    cluster.with_other("parent", "Failed")
    operator.settle()

    cluster.finish(1, "Cancelled", "CancelRequested")
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "ParentClosed")


@given(
    deeds=st.lists(
        st.sampled_from(["parent ends", "pods go", "wait", "refresh", "stale", "die", "restart"]),
        max_size=12,
    )
)
def test_whatever_the_order_a_child_never_outlives_its_parent_for_good(deeds: list[str]) -> None:
    """Operators that die after any write, and see what is long past."""
    cluster, operator = child()
    operator.refresh()
    seen_at_first = operator.seen
    for deed in deeds:
        if deed == "parent ends":
            cluster.with_other("parent", "Completed")
        elif deed == "pods go":
            cluster.remove_pods()
        elif deed == "restart":
            operator = Operator(cluster)
        elif deed == "refresh":
            operator.refresh()
        elif deed == "die":
            dying = Operator(cluster, writes_to_live=1)
            with suppress(Died):
                dying.reconcile()
        elif deed == "stale":
            with suppress(Conflict):
                operator.seen = operator.seen or seen_at_first
                operator.execute(operator.plan())
        else:
            operator.wait(seconds=20)
    ended = cluster.others["parent"]["status"]["state"] == "Completed"

    for _ in range(3):
        Operator(cluster).wait(seconds=60)
        cluster.remove_pods()

    assert cluster.state == ("Cancelled" if ended else cluster.state)
    assert ended or not cluster.is_over


def finished(name: str, *, parent: str = "") -> FinishedRun:
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    return FinishedRun("team", name, f"uid-{name}", True, moment, parent)


def test_a_child_stays_until_its_parent_has_ended() -> None:
    runs = (finished("a", parent="one"), finished("b", parent="two"), finished("c"))
    kept = History.model_validate({"successfulRuns": 0})

    plan = plan_history(
        runs, history=kept, now=datetime(2026, 11, 22, tzinfo=UTC), unfinished=frozenset({"one"})
    )

    assert [action.name for action in plan.actions] == ["b", "c"]  # type: ignore[union-attr]
