"""Chains of runs: which of two goes on, and what was said to the one before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Operator

from penstock_operator.reconcile import reading
from penstock_operator.reconcile.signals import plan_forwarding


def successor(state: str = "Running", **before: object) -> tuple[Cluster, Operator]:
    """Return a run that is to go on from the run `before`."""
    cluster = Cluster.with_run()
    known = cluster.with_other("before", state)
    cluster.run["spec"]["continuedFrom"] = {
        "name": "before",
        "uid": known["metadata"]["uid"],
        "first": "before",
    }
    return cluster, Operator(cluster)


def commit(cluster: Cluster, name: str = "one") -> None:
    """Accept the end of the run before."""
    cluster.with_other("before", "Completed")["status"]["continuedAs"] = name


def test_a_run_that_ends_to_go_on_names_its_successor() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()

    cluster.leave_for(1, "two")
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Completed", "ContinuedAsNew")
    assert cluster.status["continuedAs"] == "two"


def test_a_successor_waits_until_the_end_of_the_run_before_is_accepted() -> None:
    cluster, operator = successor()

    operator.wait(seconds=25)
    waiting = list(cluster.created_jobs)
    commit(cluster)
    operator.settle()

    assert waiting == []
    assert cluster.created_jobs == ["one-1"]


def test_a_successor_starts_though_the_run_before_was_collected() -> None:
    cluster, operator = successor()
    cluster.others.clear()

    operator.settle()

    assert cluster.created_jobs == ["one-1"]


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        pytest.param(lambda c: c.with_other("before", "Cancelled"), "as Cancelled", id="cancelled"),
        pytest.param(lambda c: c.with_other("before", "Failed"), "as Failed", id="timed out"),
        pytest.param(lambda c: commit(c, "other"), "as Completed", id="went on otherwise"),
        pytest.param(
            lambda c: (c.with_other("before", cancel=True), commit(c)), "was cancelled", id="late"
        ),
    ],
)
def test_a_successor_never_starts_if_the_run_before_did_not_go_on(
    happens: Callable[[Cluster], object], words: str
) -> None:
    cluster, operator = successor()

    happens(cluster)
    operator.settle()

    assert cluster.state == "Cancelled"
    assert words in cluster.status["message"]
    assert cluster.created_jobs == []


def test_a_suspension_of_the_run_before_holds_its_successor() -> None:
    cluster, operator = successor()
    cluster.with_other("before", suspend=True)
    commit(cluster)
    operator.wait(seconds=60)
    held = (cluster.state, cluster.status["message"], list(cluster.created_jobs))

    cluster.others["before"]["spec"]["suspend"] = False
    operator.wait(seconds=10)

    assert held[0] == "Suspended"
    assert "Set spec.suspend of before to false" in held[1]
    assert held[2] == []
    assert cluster.created_jobs == ["one-1"]


def test_a_successor_of_another_flow_is_refused() -> None:
    cluster, operator = successor()
    cluster.with_other("before", flowRef={"name": "other"})
    commit(cluster)

    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "LaunchRefused")


def test_a_signal_to_a_run_that_went_on_is_handed_on() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    cluster.send("stop")
    operator.settle()
    heir = cluster.with_other("two", "Pending")

    cluster.leave_for(1, "two")
    operator.settle()

    assert cluster.signals["hello"]["status"] == {
        "state": "Pending",
        "forwardedTo": "two",
        "flowRunUID": heir["metadata"]["uid"],
    }


def test_a_signal_that_the_run_has_taken_is_not_handed_on() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    cluster.send("stop")
    cluster.with_other("two", "Pending")

    cluster.leave_for(1, "two", signals=[{"name": "hello", "state": "Consumed"}])
    operator.settle()

    assert cluster.signals["hello"]["status"]["state"] == "Consumed"


def test_a_signal_that_was_handed_on_wakes_the_run() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    cluster.leave(1, "Signal", name="stop")
    operator.settle()
    uid = cluster.run["metadata"]["uid"]

    cluster.send("stop")["status"] |= {"forwardedTo": "one", "flowRunUID": uid}
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_signal_to_a_run_that_is_gone_is_handed_on_to_the_last_of_its_chain() -> None:
    cluster = Cluster.with_run()
    signal = reading.read_signal(cluster.send("stop"))
    head = reading.read_relative(cluster.with_other("nine"))

    (action,) = plan_forwarding((signal,), head=head).actions

    assert action.status.forwarded_to == "nine"  # type: ignore[union-attr]


def test_a_parent_waits_for_the_end_of_the_chain() -> None:
    cluster = Cluster.with_run()
    cluster.with_other("load")
    operator = Operator(cluster)
    operator.settle()
    cluster.leave(1, "Run", name="load")
    operator.settle()
    before = {"name": "load", "uid": "u", "first": "load"}
    cluster.with_other("load-2", continuedFrom=before)

    cluster.with_other("load", "Completed")["status"]["continuedAs"] = "load-2"
    operator.settle()
    waiting = cluster.state
    cluster.with_other("load-2", "Completed")
    operator.settle()

    assert waiting == "Suspended"
    assert cluster.created_jobs == ["one-1", "one-2"]
