"""A run whose flow is at its own limit: it waits, is cancelled, or takes the place of another."""

from __future__ import annotations

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Operator

from penstock_operator.reconcile.observed import Slot


def limited(strategy: str = "Enqueue", **slot: int) -> tuple[Cluster, Operator]:
    cluster = Cluster.with_run(flow={"concurrency": {"limit": 2, "strategy": strategy}})
    return cluster, Operator(cluster, slot=Slot(**slot, for_flow=True) if slot else Slot())


@pytest.mark.parametrize("strategy", ["Enqueue", "CancelRunning"])
def test_a_run_that_its_flow_holds_waits_for_it_and_starts_in_its_turn(strategy: str) -> None:
    cluster, operator = limited(strategy, ahead=3)
    operator.settle()
    held = cluster.status

    operator.slot = Slot()
    operator.settle()

    assert (held["state"], held["reason"]) == ("Scheduled", "WaitingForSlot")
    assert (held["waitingFor"]["kind"], held["waitingFor"]["name"]) == ("Flow", "daily")
    assert "its Flow daily lets 2 runs be at work at once; 3 runs were ahead" in held["message"]
    assert cluster.created_jobs == ["one-1"]


def test_whether_it_waits_for_its_flow_or_for_the_pool_is_told_anew() -> None:
    cluster, operator = limited(ahead=3)
    operator.settle()

    operator.slot = Slot(3)
    operator.settle()

    assert cluster.status["waitingFor"]["kind"] == "Slot"


def test_a_flow_that_lets_nobody_wait_cancels_the_newcomer() -> None:
    cluster, operator = limited("CancelNew", ahead=0)

    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "FlowLimitReached")
    assert cluster.writes == ["PatchRunStatus"]


def test_who_waits_for_the_pool_is_not_cancelled_for_its_flow() -> None:
    cluster, operator = limited("CancelNew")
    operator.slot = Slot(4)

    operator.settle()

    assert cluster.state == "Scheduled"


def test_a_run_that_comes_back_from_a_wait_is_not_new() -> None:
    cluster, operator = limited("CancelNew")
    operator.settle()
    cluster.leave(1, "Signal", name="go")
    operator.settle()
    operator.slot = Slot(0, for_flow=True)
    cluster.send("go")

    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Scheduled", "WaitingForSlot")


def test_a_run_that_makes_room_gets_its_grace_and_says_for_what() -> None:
    cluster, operator = limited("CancelRunning")
    operator.settle()
    cluster.claim(1)
    operator.settle()

    operator.is_superseded = True
    operator.settle()
    operator.is_superseded = False  # the newer run is gone meanwhile
    operator.settle()
    begun = cluster.status
    cluster.finish(1, "Cancelled", "CancelRequested")
    operator.settle()

    assert (begun["state"], begun["reason"]) == ("Cancelling", "Superseded")
    assert "its Flow daily prefers newer runs" in begun["message"]
    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "Superseded")
    assert cluster.created_jobs == ["one-1"]


def test_a_newcomer_that_still_newer_ones_overtake_never_starts() -> None:
    cluster, operator = limited("CancelRunning", ahead=1)
    operator.settle()

    operator.is_superseded = True
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Cancelled", "Superseded")
    assert cluster.created_jobs == []


def test_a_limit_is_no_part_of_what_is_launched() -> None:
    plain, limited_one = Cluster.with_run(), limited()[0]

    for cluster in (plain, limited_one):
        Operator(cluster).settle()

    assert plain.status["codeVersion"] == limited_one.status["codeVersion"]
