"""One last launch for roll-backs: of a run that ends without a process which could call them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Died, Operator

from penstock_operator.reconcile.observed import Refusal, Slot

OWED = {"entries": 3, "rollbacksOwed": True}


def asleep(*, owed: bool = True, **flow: object) -> tuple[Cluster, Operator]:
    """Return a run that sleeps without a pod."""
    cluster = Cluster.with_run(flow=flow)
    operator = Operator(cluster)
    operator.settle()
    pod = cluster.start_pod(1)
    cluster.claim(1, pod=pod)
    operator.settle()
    cluster.leave(1, seconds=3600)
    cluster.run["status"]["execution"]["journal"] = OWED if owed else {"entries": 3}
    cluster.touch()
    operator.settle()
    return cluster, operator


def cancelled_asleep() -> tuple[Cluster, Operator]:
    cluster, operator = asleep()
    cluster.cancel()
    operator.settle()
    return cluster, operator


def test_a_run_without_a_pod_is_launched_once_more_to_roll_back() -> None:
    cluster, _ = cancelled_asleep()

    assert cluster.created_jobs == ["one-1", "one-2"]
    assert (cluster.state, cluster.status["reason"]) == ("Cancelling", "RollingBack")
    assert cluster.status["recoveries"] == 0


def test_it_is_cancelled_when_that_launch_has_rolled_back() -> None:
    cluster, operator = cancelled_asleep()

    cluster.finish(2, "Cancelled", "CancelRequested", journal=OWED)
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "CancelRequested")
    assert "A last launch has rolled back" in cluster.status["message"]
    assert cluster.created_jobs == ["one-1", "one-2"]
    assert "ending" not in cluster.status


def test_a_launch_that_was_cancelled_before_it_came_so_far_is_followed_by_a_last_one() -> None:
    cluster, operator = asleep()
    operator.wait(seconds=3700)
    cluster.claim(2, pod=cluster.start_pod(2))
    cluster.cancel()

    cluster.finish(2, "Cancelled", "CancelRequested", journal=OWED)
    operator.settle()
    rolling_back = cluster.status["reason"]
    cluster.finish(3, "Cancelled", "CancelRequested")
    operator.settle()

    assert rolling_back == "RollingBack"
    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "CancelRequested")
    assert cluster.created_jobs == ["one-1", "one-2", "one-3"]


def test_a_run_that_owes_nothing_is_cancelled_at_once() -> None:
    cluster, operator = asleep(owed=False)

    cluster.cancel()
    operator.settle()

    assert (cluster.state, cluster.created_jobs) == ("Cancelled", ["one-1"])


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda c: c.crash_pod(2), id="it crashes"),
        pytest.param(lambda c: c.evict_pod(2), id="it is evicted"),
        pytest.param(lambda c: c.jobs.pop("one-2"), id="its Job is deleted"),
        pytest.param(lambda c: c.leave(2, "Signal", name="go", journal=OWED), id="it waits"),
        pytest.param(lambda c: None, id="it hangs"),
    ],
)
def test_there_is_never_a_second_one(happens: Callable[[Cluster], object]) -> None:
    cluster, operator = cancelled_asleep()
    cluster.claim(2, pod=cluster.start_pod(2), journal=OWED)
    operator.settle()

    happens(cluster)
    operator.wait(seconds=600)

    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "CancelRequested")
    assert "undo by hand what is left" in cluster.status["message"]
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_flow_that_has_ended_in_truth_has_that_end() -> None:
    cluster, operator = cancelled_asleep()

    cluster.finish(2)
    operator.settle()

    assert cluster.state == "Completed"


def test_a_launch_that_is_refused_ends_the_run() -> None:
    cluster, operator = asleep()
    cluster.refuse_job = Refusal(403, "exceeded quota: pods")

    cluster.cancel()
    operator.wait(seconds=600)

    assert cluster.state == "Cancelled"


def test_a_run_that_crashes_for_good_rolls_back_and_is_crashed() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    for attempt in (1, 2, 3):
        cluster.claim(attempt, pod=cluster.start_pod(attempt), journal=OWED)
        operator.settle()
        cluster.crash_pod(attempt, exit_code=139)
        operator.wait(seconds=30)
    during = (cluster.state, cluster.status["reason"], cluster.created_jobs[-1])

    cluster.finish(4, "Cancelled", "CancelRequested")
    operator.settle()

    assert during == ("Cancelling", "RollingBack", "one-4")
    assert (cluster.state, cluster.status["reason"]) == ("Crashed", "ProcessExited")
    assert cluster.status["crashes"] == 3


def test_what_a_last_attempt_without_a_word_leaves_is_known_from_the_one_before() -> None:
    cluster = Cluster.with_run(flow={"maxRecoveries": 1})
    operator = Operator(cluster)
    operator.settle()
    cluster.claim(1, pod=cluster.start_pod(1), journal=OWED)
    operator.settle()
    cluster.evict_pod(1)
    operator.settle()
    cluster.evict_pod(2)
    operator.settle()

    assert (cluster.status["reason"], cluster.created_jobs[-1]) == ("RollingBack", "one-3")


@pytest.mark.parametrize("writes", range(1, 6))
def test_an_operator_that_dies_in_between_leaves_one_last_launch(writes: int) -> None:
    cluster, _ = asleep()
    cluster.cancel()
    dying = Operator(cluster, writes_to_live=writes)
    with contextlib.suppress(Died):
        dying.settle()

    Operator(cluster).settle()

    assert cluster.created_jobs == ["one-1", "one-2"]
    assert cluster.status["reason"] == "RollingBack"


def test_what_is_undone_waits_for_no_slot() -> None:
    cluster, operator = asleep(concurrency={"limit": 1})
    operator.slot = Slot(0, for_flow=True)

    cluster.cancel()
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]
