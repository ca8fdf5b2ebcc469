"""A run that is lost again and again does not spend its recoveries within a minute."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.operator.reconcile.cluster import START, Cluster, Died, Operator

from penstock_operator.reconcile.pauses import spacing


def rejected(cluster: Cluster, attempt: int) -> None:
    pod = cluster.start_pod(attempt)
    pod["status"] = {"phase": "Failed", "reason": "OutOfcpu", "message": "Node has not enough"}
    cluster.end_job(attempt)


def lost(times: int) -> tuple[Cluster, Operator]:
    """Return a run that has lost so many attempts, each as soon as it was there."""
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    for attempt in range(1, times + 1):
        operator.wait(seconds=120, until=lambda n=attempt: f"one-{n}" in cluster.jobs)
        rejected(cluster, attempt)
        operator.settle()
    return cluster, operator


def test_the_first_two_recoveries_are_immediate() -> None:
    cluster, _ = lost(2)

    assert cluster.now == START
    assert cluster.created_jobs == ["one-1", "one-2", "one-3"]


def test_the_third_waits_and_says_for_what() -> None:
    cluster, operator = lost(3)
    held, jobs = cluster.status, list(cluster.created_jobs)
    operator.wait(seconds=2)

    assert jobs == ["one-1", "one-2", "one-3"]
    assert held["attempt"] == 4
    assert held["waitingFor"] == {
        "kind": "Recovery",
        "name": "one-4",
        "since": "2026-11-21T09:00:00Z",
        "until": "2026-11-21T09:00:02Z",
    }
    assert "OutOfcpu" in held["message"]
    assert "Attempt 4 starts at 09:00:02 UTC, after a pause" in held["message"]
    assert cluster.created_jobs[-1] == "one-4"
    assert "waitingFor" not in cluster.status
    assert "OutOfcpu" in cluster.status["message"]


def test_the_pauses_grow_to_a_minute() -> None:
    assert [spacing(n).total_seconds() for n in range(1, 11)] == [0, 0, 2, 4, 8, 16, 32, 60, 60, 60]
    assert spacing(10_000) == timedelta(seconds=60)


def test_ten_rejections_take_minutes() -> None:
    cluster, _ = lost(11)

    assert cluster.now - START >= timedelta(minutes=4)
    assert cluster.status["reason"] == "RecoveriesExhausted"


def test_an_attempt_that_lived_long_is_followed_at_once() -> None:
    cluster, operator = lost(4)
    operator.wait(seconds=30)
    cluster.claim(5)
    operator.wait(seconds=600)
    cluster.evict_pod(5)
    operator.settle()

    assert cluster.created_jobs[-1] == "one-6"


@pytest.mark.parametrize("dies_after", [1, 2])
def test_an_operator_that_dies_in_a_pause_is_followed_by_one_that_keeps_it(dies_after: int) -> None:
    cluster, operator = lost(3)
    mortal = Operator(cluster, writes_to_live=dies_after)
    with pytest.raises(Died):
        mortal.wait(seconds=5)
    operator = Operator(cluster)
    operator.wait(seconds=1)

    assert cluster.created_jobs == ["one-1", "one-2", "one-3", "one-4"]
    assert cluster.now >= START + timedelta(seconds=2)


def test_a_cancel_ends_a_pause() -> None:
    cluster, operator = lost(3)

    cluster.cancel()
    operator.settle()

    assert cluster.state == "Cancelled"
