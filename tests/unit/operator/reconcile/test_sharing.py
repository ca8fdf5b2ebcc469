"""Slots of ConcurrencyLimits that a flow's runs hold, and runs that wait for one without a pod."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Died, Operator

from penstock.concurrency.book import WHOLE_RUN

Object = dict[str, Any]
SHARES = [{"name": "db", "occupy": 2}]


def sharing(limit: int = 2, **flow: Any) -> tuple[Cluster, Operator]:
    cluster = Cluster.with_run(flow={"concurrencyLimits": SHARES} | flow)
    cluster.limits["db"] = cluster.new("db", {"limit": limit})
    return cluster, Operator(cluster)


def entry(cluster: Cluster, run: str = "other", **more: Any) -> Object:
    uid = cluster.run["metadata"]["uid"] if run == "one" else f"uid-{run}"
    given = {"holder": run, "uid": uid, "attempt": 1, "process": "p1", "occupy": 2}
    return given | {"expiresAt": "2026-11-21T10:00:00Z"} | more


def held(cluster: Cluster, part: str = "holders") -> list[tuple[str, str, int]]:
    entries = cluster.limits["db"].get("status", {}).get(part, [])
    return [(each["holder"], each["process"], each["occupy"]) for each in entries]


def test_slots_are_taken_before_anything_is_launched_and_given_back_at_rest() -> None:
    cluster, operator = sharing()

    operator.settle()
    launched, writes = held(cluster), list(cluster.writes)
    cluster.leave(1, "Signal", name="go")
    operator.settle()

    assert launched == [("one", WHOLE_RUN, 2)]
    assert writes[0] == "PutLimitStatus"
    assert held(cluster) == []


def test_a_run_stands_in_line_and_starts_when_it_is_served() -> None:
    cluster, operator = sharing()
    cluster.limits["db"]["status"] = {"holders": [entry(cluster)]}
    operator.settle()
    waits, line = cluster.status, held(cluster, "waiting")

    cluster.limits["db"]["status"] = {"holders": [entry(cluster, "one", process=WHOLE_RUN)]}
    operator.settle()

    assert line == [("one", WHOLE_RUN, 2)]
    assert waits["waitingFor"]["kind"] == "ConcurrencyLimit"
    assert "nobody was ahead of it" in waits["message"]
    assert cluster.created_jobs == ["one-1"]


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_an_operator_that_dies_on_its_way_takes_no_slot_twice(writes: int) -> None:
    cluster, _ = sharing(limit=9)
    with pytest.raises(Died):
        Operator(cluster, writes_to_live=writes).settle()

    Operator(cluster).settle()

    assert held(cluster) == [("one", WHOLE_RUN, 2)]
    assert cluster.created_jobs == ["one-1"]


def test_a_lost_pod_is_followed_with_the_same_slots() -> None:
    cluster, operator = sharing()
    operator.settle()
    cluster.claim(1)

    cluster.evict_pod(1)
    operator.settle()

    assert held(cluster) == [("one", WHOLE_RUN, 2)]
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_run_that_waits_for_something_else_leaves_the_line() -> None:
    cluster, operator = sharing()
    cluster.limits["db"]["status"] = {"holders": [entry(cluster)]}
    operator.settle()
    assert cluster.flow is not None

    cluster.flow["spec"]["suspend"] = True
    operator.settle()

    assert held(cluster, "waiting") == []
    assert cluster.status["reason"] == "FlowSuspended"


def test_a_long_line_is_not_made_longer() -> None:
    cluster, operator = sharing()
    waiting = [entry(cluster, f"r{n}", process=WHOLE_RUN) for n in range(10)]
    cluster.limits["db"]["status"] = {"holders": [entry(cluster)], "waiting": waiting}

    operator.settle()

    assert len(held(cluster, "waiting")) == 10
    assert cluster.status["waitingFor"]["ahead"] == 10


def test_a_run_that_waits_takes_what_its_flow_wants_by_now() -> None:
    cluster, operator = sharing(limit=1)
    operator.settle()
    line = held(cluster, "waiting")
    assert cluster.flow is not None

    cluster.flow["spec"]["concurrencyLimits"] = [{"name": "db", "occupy": 1}]
    operator.settle()

    assert line == [("one", WHOLE_RUN, 2)]
    assert held(cluster) == [("one", WHOLE_RUN, 1)]
    assert cluster.created_jobs == ["one-1"]


def test_a_run_leaves_the_line_of_a_limit_that_its_flow_no_longer_names() -> None:
    cluster, operator = sharing(limit=1)
    operator.settle()
    assert cluster.flow is not None

    cluster.flow["spec"]["concurrencyLimits"] = []
    operator.settle()

    assert (held(cluster), held(cluster, "waiting")) == ([], [])
    assert cluster.created_jobs == ["one-1"]


def test_a_flow_that_wants_more_than_there_is_is_told_so() -> None:
    cluster, operator = sharing(limit=1)

    operator.settle()

    assert "wants 2 slots of the ConcurrencyLimit db, which has 1" in cluster.status["message"]


def waiting_in_line(**ticket: Any) -> tuple[Cluster, Operator]:
    """Return a run that left its pod to wait for a slot."""
    cluster, operator = sharing(concurrencyLimits=[])
    operator.settle()
    mine = entry(cluster, "one", suspended=True) | ticket
    cluster.limits["db"]["status"] = {"holders": [entry(cluster)], "waiting": [mine]}
    cluster.leave(1, "ConcurrencyLimit", name="db")
    operator.wait(seconds=5)
    return cluster, operator


def test_a_run_is_woken_by_the_slot_that_it_was_handed() -> None:
    cluster, operator = waiting_in_line()
    asleep = cluster.state

    cluster.limits["db"]["status"] = {"holders": [entry(cluster, "one", suspended=True)]}
    operator.settle()

    assert asleep == "Suspended"
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_run_that_has_lost_its_place_goes_on_to_ask_anew() -> None:
    cluster, operator = waiting_in_line()

    cluster.limits["db"]["status"] = {"holders": [entry(cluster)]}
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_run_that_waits_for_a_rate_is_woken_when_its_slots_have_come_back() -> None:
    cluster, operator = waiting_in_line(rate=True)
    cluster.limits["db"]["spec"]["slotDecayPerSecond"] = 0.1
    filled = {"filled": 2, "filledAt": cluster.now.isoformat()}
    ticket = entry(cluster, "one", suspended=True, rate=True)
    cluster.limits["db"]["status"] = filled | {"waiting": [ticket]}
    operator.wait(seconds=19)
    before = list(cluster.created_jobs)

    operator.wait(seconds=2)

    assert before == ["one-1"]
    assert cluster.created_jobs == ["one-1", "one-2"]
