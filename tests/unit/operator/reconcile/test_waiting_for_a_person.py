"""Runs that go on only when somebody has mended something, or says that they go on as they are."""

from __future__ import annotations

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Operator

DAY = 24 * 3600


def unreadable(reason: str = "ResultUnreadable") -> tuple[Cluster, Operator]:
    """Return a run whose runner has left because it cannot read a result."""
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    cluster.claim(1)
    operator.settle()
    cluster.leave(1, "Person", reason=reason, name="load(load)", message="No module shop.")
    operator.settle()
    return cluster, operator


def test_a_run_that_a_person_must_mend_says_what_and_how_it_goes_on() -> None:
    cluster, _ = unreadable()

    assert (cluster.state, cluster.status["reason"]) == ("Suspended", "ResultUnreadable")
    assert cluster.status["waitingFor"] == {
        "kind": "Person",
        "name": "load(load)",
        "since": "2026-11-21T09:00:00Z",
    }
    assert cluster.status["message"] == (
        "No module shop. Then let the run go on: kubectl penstock resume one."
    )
    conditions = {each["type"]: each["status"] for each in cluster.status["conditions"]}
    assert (conditions["Reconciling"], conditions["Stalled"]) == ("False", "True")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("NonDeterminism", "NonDeterminism"),
        ("StoreUnusable", "StoreUnusable"),
        ("OfANewerRunner", "ResultUnreadable"),
    ],
)
def test_the_runners_word_is_the_reason_as_far_as_it_is_known(said: str, reason: str) -> None:
    cluster, _ = unreadable(said)

    assert cluster.status["reason"] == reason


def test_a_run_that_a_person_must_mend_waits_for_ever() -> None:
    cluster, operator = unreadable()

    operator.wait(seconds=7 * DAY)

    assert cluster.created_jobs == ["one-1"]


def test_a_persons_word_launches_the_run_once_and_uses_no_recovery() -> None:
    cluster, operator = unreadable()

    cluster.go_on(1)
    operator.settle()
    cluster.leave(2, "Person", reason="ResultUnreadable", name="load(load)")
    operator.wait(seconds=DAY)

    assert cluster.created_jobs == ["one-1", "one-2"]
    assert (cluster.state, cluster.status["recoveries"]) == ("Suspended", 0)


def test_suspending_a_run_and_letting_it_go_on_mends_nothing() -> None:
    cluster, operator = unreadable()

    cluster.suspend()
    operator.settle()
    cluster.resume()
    operator.settle()

    assert (cluster.status["reason"], cluster.created_jobs) == ("ResultUnreadable", ["one-1"])


def test_a_run_that_a_person_must_mend_can_be_cancelled() -> None:
    cluster, operator = unreadable()

    cluster.cancel()
    operator.settle()

    assert cluster.state == "Cancelled"
