"""Slots of ConcurrencyLimits that a flow's runs hold, and runs that wait for one without a pod."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Died, Operator

from penstock.concurrency.book import WHOLE_RUN
from penstock_operator.reconcile.observed import Slot

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


FULL, ROOM = Slot(ahead=0), Slot()


def handed_in_a_full_pool(*behind: str) -> tuple[Cluster, Operator]:
    """Return a run that was handed a slot without a pod, and whose pool has no room for it."""
    cluster, operator = waiting_in_line()
    assert cluster.pool is not None
    cluster.pool["spec"]["concurrency"] = 1
    operator.slot = FULL
    mine = entry(cluster, "one", suspended=True)
    line = [entry(cluster, each) for each in behind]
    cluster.limits["db"]["status"] = {"holders": [mine], "waiting": line}
    operator.settle()
    return cluster, operator


def test_a_slot_that_a_full_pool_keeps_from_its_run_goes_to_who_has_a_pod() -> None:
    cluster, _ = handed_in_a_full_pool("running", "another")

    assert held(cluster) == [("running", "p1", 2)]
    assert held(cluster, "waiting") == [("one", "p1", 2), ("another", "p1", 2)]
    assert cluster.status["waitingFor"]["kind"] == "Slot"
    assert cluster.created_jobs == ["one-1"]


def test_a_run_that_let_another_have_its_slot_is_launched_first_in_line_for_the_next() -> None:
    cluster, operator = handed_in_a_full_pool("running", "another")

    operator.slot = ROOM
    operator.settle()

    line = cluster.limits["db"]["status"]["waiting"]
    assert cluster.created_jobs == ["one-1", "one-2"]
    assert [(each["holder"], each.get("yields")) for each in line] == [
        ("one", None),
        ("another", None),
    ]


def test_a_run_has_its_slot_back_with_room_in_its_pool_if_nobody_else_took_it() -> None:
    cluster, operator = handed_in_a_full_pool()
    passed = held(cluster)

    operator.slot = ROOM
    operator.settle()

    assert (passed, held(cluster)) == ([], [("one", "p1", 2)])
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_rate_that_has_come_back_is_not_kept_for_a_run_that_cannot_start() -> None:
    cluster, operator = waiting_in_line(rate=True)
    assert cluster.pool is not None
    cluster.pool["spec"]["concurrency"] = 1
    operator.slot = FULL
    mine, other = entry(cluster, "one", suspended=True, rate=True), entry(cluster, rate=True)

    cluster.limits["db"]["spec"]["slotDecayPerSecond"] = 0.1
    cluster.limits["db"]["status"] = {"waiting": [mine, other]}
    operator.settle()

    line = cluster.limits["db"]["status"]["waiting"]
    assert [(each["holder"], each.get("yields")) for each in line] == [
        ("one", True),
        ("other", None),
    ]


def served_in_a_full_pool() -> tuple[Cluster, Operator]:
    """Return a run that stood in line for its launch, and whose pool is full when it is served."""
    cluster, operator = sharing(concurrencyLimits=[{"name": "db", "occupy": 2}])
    assert cluster.pool is not None
    cluster.pool["spec"]["concurrency"] = 1
    cluster.limits["db"]["status"] = {"holders": [entry(cluster)]}
    operator.settle()
    operator.slot = FULL
    mine, other = entry(cluster, "one", process=WHOLE_RUN, suspended=True), entry(cluster)
    cluster.limits["db"]["status"] = {"holders": [mine], "waiting": [other]}
    operator.settle()
    return cluster, operator


def test_a_run_that_cannot_be_launched_keeps_no_slot_from_who_has_a_pod() -> None:
    cluster, _ = served_in_a_full_pool()

    assert held(cluster) == [("other", "p1", 2)]
    assert held(cluster, "waiting") == [("one", WHOLE_RUN, 2)]
    assert cluster.created_jobs == []


def test_a_run_that_let_others_go_first_keeps_its_pools_slot_until_it_is_served() -> None:
    cluster, operator = served_in_a_full_pool()

    operator.slot = ROOM
    plans = [operator.reconcile()]
    operator.slot = Slot(is_kept=True)
    plans += [operator.reconcile()]
    mine = entry(cluster, "one", process=WHOLE_RUN, suspended=True)
    cluster.limits["db"]["status"] = {"holders": [mine]}
    plans += [operator.reconcile()]

    assert [plan.keeps_slot for plan in plans] == [True, True, False]
    assert cluster.created_jobs == ["one-1"]


def test_a_run_keeps_no_slot_of_its_pool_for_a_limit_that_can_serve_nobody() -> None:
    cluster, operator = served_in_a_full_pool()
    cluster.limits["db"]["spec"]["limit"] = 0

    operator.slot = ROOM
    plan = operator.reconcile()

    assert not plan.keeps_slot


def test_a_run_that_never_was_served_leaves_its_pools_slot_to_others() -> None:
    cluster, operator = sharing()
    assert cluster.pool is not None
    cluster.pool["spec"]["concurrency"] = 1
    cluster.limits["db"]["status"] = {"holders": [entry(cluster)]}

    plans = [operator.reconcile(), operator.reconcile()]

    assert [plan.keeps_slot for plan in plans] == [False, False]


def test_a_run_whose_pool_is_gone_keeps_no_slot_either() -> None:
    cluster, operator = waiting_in_line()
    cluster.pool = None

    cluster.limits["db"]["status"] = {"holders": [entry(cluster, "one", suspended=True)]}
    operator.settle()

    assert held(cluster) == []
    assert cluster.status["reason"] == "WorkPoolNotFound"


def test_a_run_is_woken_at_the_deadline_of_its_wait_for_a_slot() -> None:
    cluster, operator = sharing(concurrencyLimits=[])
    operator.settle()
    ticket = entry(cluster, "one", suspended=True)
    cluster.limits["db"]["status"] = {"holders": [entry(cluster)], "waiting": [ticket]}
    cluster.leave(1, "ConcurrencyLimit", name="db", seconds=600)
    operator.wait(seconds=590)
    asleep = dict(cluster.status)

    operator.wait(seconds=20)

    assert (asleep["state"], asleep["reason"]) == ("Suspended", "WaitingForSlot")
    assert "until" in asleep["waitingFor"]
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_run_that_sleeps_beside_its_wait_for_a_slot_is_woken_by_the_slot() -> None:
    cluster, operator = sharing(concurrencyLimits=[])
    operator.settle()
    cluster.leave(1, "Sleep", seconds=3600)
    operator.wait(seconds=5)
    asleep = cluster.state

    cluster.limits["db"]["status"] = {"holders": [entry(cluster, "one", suspended=True)]}
    operator.settle()

    assert asleep == "Suspended"
    assert cluster.created_jobs == ["one-1", "one-2"]
