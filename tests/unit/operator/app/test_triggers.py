from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from penstock_operator.app.keys import Key, Kind
from penstock_operator.app.triggers import Triggers
from penstock_operator.kube.caches import Caches, Name
from penstock_operator.kube.resources import FLOWS, JOBS, LIMITS, POOLS, RUNS, SCHEDULES, SIGNALS
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.reconcile.observed import Slot

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Queued:
    """Notes what is queued."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.behind: list[Key] = []
        self.later: dict[Key, float] = {}
        """After how many seconds, those that let nobody go ahead."""
        self.eventually: dict[Key, float] = {}
        """After how many seconds, those that go behind all news."""

    def add(self, key: Key) -> None:
        self.keys.append(key)

    def add_behind(self, key: Key) -> None:
        self.keys.append(key)
        self.behind.append(key)

    def add_after(self, key: Key, seconds: float, *, behind: bool = True) -> None:
        self.keys.append(key)
        (self.eventually if behind else self.later)[key] = seconds


def obj(name: str, version: int = 1, *, labels: Any = None, **more: Any) -> dict[str, Any]:
    meta = {
        "namespace": "team",
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "labels": labels or {},
    }
    return {"metadata": meta, **more}


def run(name: str, version: int = 1, *, flow: str = "daily") -> dict[str, Any]:
    return obj(name, version, spec={"flowRef": {"name": flow}})


def flow(name: str = "daily", version: int = 1, *, pool: str | None = None) -> dict[str, Any]:
    return obj(name, version, spec={"workPoolRef": {"name": pool}} if pool else {})


def key(kind: Kind, name: str) -> Key:
    return Key(kind, "team", name)


def triggers(queue: Queued, **options: Any) -> tuple[Triggers, Caches]:
    caches = Caches()
    return Triggers(caches, queue, **options), caches


def test_a_run_concerns_itself() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)

    noticed.notice(RUNS, "ADDED", run("one"))

    assert queue.keys == [key(Kind.RUN, "one")]


WAITS = {"state": "Scheduled", "reason": "WaitingForSlot", "observedGeneration": 1}


def full_pool(noticed: Triggers) -> None:
    limits = {"concurrency": 1}
    noticed.notice(POOLS, "ADDED", {**obj("default"), "spec": limits})
    noticed.notice(FLOWS, "ADDED", flow())
    at_work = {"state": "Running", "workPool": "default", "attempt": 1}
    noticed.notice(RUNS, "ADDED", {**run("first"), "status": at_work})


def test_runs_that_can_only_be_told_to_wait_let_news_go_ahead() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    full_pool(noticed)
    queue.keys.clear()
    queue.behind.clear()

    noticed.notice(RUNS, "ADDED", run("one"))
    noticed.notice(JOBS, "MODIFIED", obj("first-1", labels={"penstock.dev/run": "first"}))

    assert queue.behind == [key(Kind.RUN, "one")]
    assert queue.keys == [key(Kind.RUN, "one"), key(Kind.RUN, "first")]


def test_a_run_that_is_told_that_it_waits_is_not_looked_at_again() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    full_pool(noticed)
    queue.keys.clear()

    noticed.saw(RUNS, {**run("one"), "status": WAITS})

    assert key(Kind.RUN, "one") not in queue.keys


def test_a_run_keeps_its_place_until_it_is_told_that_it_waits() -> None:
    noticed, _ = triggers(Queued())
    full_pool(noticed)
    noticed.notice(RUNS, "ADDED", run("one"))
    one, two = (FlowRun.model_validate(run(name)) for name in ("one", "two"))
    noticed.admission.ask(one, pool="default")

    noticed.notice(FLOWS, "MODIFIED", {**flow(version=2), "status": {"observedGeneration": 1}})

    assert noticed.admission.ask(two, pool="default").ahead == 1


def test_a_new_run_does_not_overtake_the_launch_of_one_that_was_there_before() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    full_pool(noticed)
    noticed.notice(RUNS, "ADDED", {**run("earlier"), "status": WAITS})
    noticed.saw(RUNS, {**run("first", 2), "status": {"state": "Completed"}})
    queue.behind.clear()

    noticed.notice(RUNS, "ADDED", run("later"))

    assert queue.behind == [key(Kind.RUN, "later")]


CODE = {"inline": {"files": {"flow.py": "def daily(): ..."}}}


def readable_flow(**spec: Any) -> dict[str, Any]:
    changed = obj("daily", 2, spec={"source": CODE, "entrypoint": "flow.py:daily", **spec})
    changed["metadata"]["generation"] = 2
    return changed


def urgent(run: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {**run, "spec": {**run["spec"], "priority": 10, **spec}}


def with_an_urgent_run(queue: Queued) -> Triggers:
    """Return what has noticed an urgent run that came late, for a pool that is full."""
    noticed, _ = triggers(queue)
    full_pool(noticed)
    noticed.notice(FLOWS, "MODIFIED", readable_flow())
    noticed.notice(RUNS, "ADDED", {**run("one"), "status": WAITS})
    noticed.notice(RUNS, "ADDED", urgent(run("late")))
    return noticed


def test_an_urgent_run_is_called_before_its_first_look_has_come() -> None:
    queue = Queued()
    noticed = with_an_urgent_run(queue)
    waiting = list(queue.behind)
    queue.keys.clear()
    queue.behind.clear()

    noticed.saw(RUNS, {**run("first", 2), "status": {"state": "Completed"}})

    assert key(Kind.RUN, "late") in waiting
    assert key(Kind.RUN, "late") in queue.keys
    assert key(Kind.RUN, "one") not in queue.keys
    assert queue.behind == []


def test_a_run_whose_first_look_asks_for_no_slot_makes_room_for_the_next() -> None:
    queue = Queued()
    noticed = with_an_urgent_run(queue)
    noticed.saw(RUNS, {**run("first", 2), "status": {"state": "Completed"}})

    called = list(noticed.admission.looked_at(Name("team", "late")))

    assert called == [key(Kind.RUN, "one")]


@pytest.mark.parametrize(
    ("late", "flow"),
    [
        (urgent(run("late"), queue="nowhere"), readable_flow()),
        (urgent(run("late")), readable_flow(concurrency={"limit": 1})),
        (urgent(run("late", flow="unknown")), readable_flow()),
    ],
    ids=["of a queue that is not there", "of a flow with a limit", "of an unknown flow"],
)
def test_a_run_is_looked_at_before_it_waits(late: dict[str, Any], flow: dict[str, Any]) -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    full_pool(noticed)
    noticed.notice(FLOWS, "MODIFIED", flow)
    noticed.notice(RUNS, "ADDED", {**run("one"), "status": WAITS})
    noticed.notice(RUNS, "ADDED", late)
    queue.keys.clear()

    noticed.saw(RUNS, {**run("first", 2), "status": {"state": "Completed"}})

    assert key(Kind.RUN, "one") in queue.keys


def test_a_run_that_waits_and_is_deleted_is_news() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    full_pool(noticed)
    noticed.notice(RUNS, "ADDED", {**run("one"), "status": WAITS})
    queue.keys.clear()
    queue.behind.clear()

    noticed.notice(RUNS, "DELETED", {**run("one", 2), "status": WAITS})

    assert key(Kind.RUN, "one") in queue.keys
    assert queue.behind == []


def test_a_run_that_waits_and_is_changed_is_news() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    full_pool(noticed)
    changed = {**run("one"), "status": WAITS}
    changed["metadata"]["generation"] = 2
    queue.behind.clear()

    noticed.notice(RUNS, "ADDED", changed)

    assert queue.behind == []


def test_a_slot_that_comes_free_is_news_to_the_run_that_is_next() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    full_pool(noticed)
    noticed.notice(RUNS, "ADDED", {**run("one"), "status": WAITS})
    queue.keys.clear()
    queue.behind.clear()

    noticed.saw(RUNS, {**run("first", 2), "status": {"state": "Completed"}})

    assert key(Kind.RUN, "one") in queue.keys
    assert queue.behind == []


def test_a_job_concerns_its_run() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)

    noticed.notice(JOBS, "MODIFIED", obj("one-1", labels={"penstock.dev/run": "one"}))

    assert queue.keys == [key(Kind.RUN, "one")]


def test_a_signal_concerns_its_run_until_it_is_settled() -> None:
    queue = Queued()
    noticed, caches = triggers(queue)
    spec = {"flowRunRef": {"name": "one"}, "name": "approve", "payload": "yes"}

    noticed.notice(SIGNALS, "ADDED", obj("hello", 1, spec=spec, status={"state": "Pending"}))
    noticed.saw(SIGNALS, obj("hello", 2, spec=spec, status={"state": "Consumed"}))

    assert queue.keys == [key(Kind.RUN, "one")] * 2
    assert len(caches.signals) == 0


def test_a_flow_concerns_its_unfinished_runs() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(RUNS, "ADDED", run("one"))
    noticed.notice(RUNS, "ADDED", run("other", flow="weekly"))
    queue.keys.clear()

    noticed.notice(FLOWS, "MODIFIED", flow())

    assert queue.keys == [key(Kind.FLOW, "daily"), key(Kind.RUN, "one")]


def test_a_pool_concerns_the_flows_that_use_it_and_their_runs() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(FLOWS, "ADDED", flow())
    noticed.notice(FLOWS, "ADDED", flow("weekly", pool="big"))
    noticed.notice(RUNS, "ADDED", run("one"))
    noticed.notice(RUNS, "ADDED", run("two", flow="weekly"))
    queue.keys.clear()

    noticed.notice(POOLS, "ADDED", obj("big"))

    assert queue.keys == [
        key(Kind.POOL, "big"),
        key(Kind.FLOW, "weekly"),
        key(Kind.RUN, "two"),
    ]


def test_what_a_pool_tells_of_its_runs_concerns_none_of_them() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    pool = obj("default", 1, status={"observedGeneration": 1, "queued": 1})
    noticed.notice(POOLS, "ADDED", pool)
    noticed.notice(FLOWS, "ADDED", flow())
    noticed.notice(RUNS, "ADDED", run("one"))
    queue.keys.clear()

    noticed.saw(POOLS, obj("default", 2, status={"observedGeneration": 1, "queued": 2}))

    assert queue.keys == [key(Kind.POOL, "default")]


def test_an_echo_is_known_and_a_deletion_is_not() -> None:
    noticed, _ = triggers(Queued())
    noticed.saw(RUNS, run("one", 7))

    assert noticed.knows(RUNS, "MODIFIED", run("one", 7))
    assert not noticed.knows(RUNS, "MODIFIED", run("one", 8))
    assert not noticed.knows(RUNS, "DELETED", run("one", 7))
    assert not noticed.knows(RUNS, None, run("two", 1))


def test_a_pool_that_has_told_how_it_is_used_has_time_until_it_tells_again() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(POOLS, "ADDED", obj("default", 1, status={"observedGeneration": 1}))

    noticed.saw(POOLS, obj("default", 2, status={"observedGeneration": 1, "queued": 2}))

    assert queue.later == {key(Kind.POOL, "default"): 2.0}


def test_runs_hear_of_a_pool_that_is_ready_for_them() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(POOLS, "ADDED", obj("default", 1))
    noticed.notice(FLOWS, "ADDED", flow())
    noticed.notice(RUNS, "ADDED", run("one"))
    queue.behind.clear()

    noticed.saw(POOLS, obj("default", 2, status={"observedGeneration": 1}))

    assert queue.behind == [key(Kind.RUN, "one")]


def test_runs_hear_of_a_pool_that_is_mended_by_other_means_than_its_spec() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    stalled = {"observedGeneration": 1, "conditions": [{"type": "Stalled", "status": "True"}]}
    mended = {"observedGeneration": 1, "conditions": [{"type": "Stalled", "status": "False"}]}
    noticed.notice(POOLS, "ADDED", obj("default", 1, status=stalled))
    noticed.notice(FLOWS, "ADDED", flow())
    noticed.notice(RUNS, "ADDED", run("one"))
    queue.behind.clear()

    noticed.saw(POOLS, obj("default", 2, status=mended))

    assert queue.behind == [key(Kind.RUN, "one")]


def test_a_flow_without_a_pool_uses_the_default_one() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(FLOWS, "ADDED", flow())
    queue.keys.clear()

    noticed.notice(POOLS, "ADDED", obj("default"))

    assert queue.keys == [key(Kind.POOL, "default"), key(Kind.FLOW, "daily")]


def test_the_echo_of_an_own_write_concerns_nobody() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.saw(RUNS, run("one", 7))
    queue.keys.clear()

    noticed.notice(RUNS, "MODIFIED", run("one", 7))

    assert queue.keys == []


def test_what_left_the_watch_is_known_no_more() -> None:
    queue = Queued()
    noticed, caches = triggers(queue)
    noticed.notice(RUNS, "ADDED", run("one", 1))
    queue.keys.clear()

    noticed.notice(RUNS, "DELETED", run("one", 2))

    assert caches.runs.get(Name("team", "one")) is None
    assert queue.keys == [key(Kind.RUN, "one")]


def test_a_run_that_ended_by_an_own_write_leaves_the_cache() -> None:
    noticed, caches = triggers(Queued())
    noticed.notice(RUNS, "ADDED", run("one", 1))

    noticed.saw(RUNS, {**run("one", 2), "status": {"state": "Completed"}})

    assert len(caches.runs) == 0


def test_other_namespaces_are_not_served() -> None:
    queue = Queued()
    noticed, caches = triggers(queue, namespaces=["elsewhere"])

    noticed.notice(RUNS, "ADDED", run("one"))

    assert queue.keys == []
    assert len(caches.runs) == 0


def test_only_the_very_object_is_lost() -> None:
    noticed, caches = triggers(Queued())
    noticed.notice(RUNS, "ADDED", run("one"))

    noticed.lost(RUNS, namespace="team", name="one", uid="another")

    assert len(caches.runs) == 1


def test_everything_is_queued_in_the_order_of_dependence() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(RUNS, None, {**run("one"), "status": {"state": "Running"}})
    noticed.notice(FLOWS, None, flow())
    noticed.notice(POOLS, None, obj("default"))
    queue.keys.clear()

    noticed.queue_everything(now=NOW)

    assert queue.keys == [
        key(Kind.POOL, "default"),
        key(Kind.FLOW, "daily"),
        key(Kind.RUN, "one"),
    ]


def test_a_run_that_nobody_has_looked_at_goes_ahead_at_a_start() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(RUNS, None, run("new"))
    queue.keys.clear()
    queue.behind.clear()

    noticed.queue_everything(now=NOW)

    assert queue.behind == []
    assert queue.keys == [key(Kind.RUN, "new")]


def test_what_only_waits_is_looked_at_bit_by_bit_after_a_start() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    full_pool(noticed)
    for number in range(3):
        noticed.notice(RUNS, None, {**run(f"waits-{number}"), "status": WAITS})
    cancelled = {**run("cancelled"), "status": WAITS}
    cancelled["metadata"]["generation"] = 2
    noticed.notice(RUNS, None, cancelled)
    queue.behind.clear()
    queue.eventually.clear()

    noticed.queue_everything(now=NOW)

    waiting = [key(Kind.RUN, f"waits-{number}") for number in range(3)]
    assert queue.eventually == dict(zip(waiting, [0.0, 0.005, 0.01], strict=True))
    assert {key(Kind.RUN, "cancelled"), key(Kind.RUN, "first")} <= set(queue.behind)


@pytest.mark.parametrize(
    ("change", "spec", "is_soon"),
    [
        ({}, {}, False),
        ({"observedGeneration": 0}, {}, True),
        ({"active": ["report-1"]}, {}, True),
        ({"buffered": ["2026-11-21T11:00:05Z"]}, {}, True),
        ({}, {"triggerAt": "2026-11-21T12:00:01Z"}, True),
    ],
    ids=["waits", "was changed", "had a run", "has a moment that waits", "is triggered"],
)
def test_a_schedule_is_looked_at_soon_after_a_start_if_it(
    change: dict[str, Any], spec: dict[str, Any], is_soon: bool
) -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    status = {"observedGeneration": 1, "nextTicks": ["2026-11-21T12:00:05Z"], **change}
    often = obj("often", spec=spec, status=status)
    often["metadata"]["generation"] = 1
    noticed.notice(SCHEDULES, None, often)
    queue.behind.clear()

    noticed.queue_everything(now=NOW)

    assert (key(Kind.SCHEDULE, "often") in queue.behind) == is_soon
    assert (key(Kind.SCHEDULE, "often") in queue.eventually) != is_soon


def test_a_schedule_has_its_next_moment_in_time_although_the_masses_are_looked_at_first() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    status = {"nextTicks": ["2026-11-21T12:00:05Z", "2026-11-21T12:15:05Z"]}
    noticed.notice(SCHEDULES, None, obj("often", status=status))
    noticed.notice(SCHEDULES, None, obj("odd", status={"nextTicks": [7]}))

    noticed.queue_everything(now=NOW)

    assert queue.later == {key(Kind.SCHEDULE, "often"): 5.0}


def test_an_object_of_any_shape_is_taken_in() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)

    noticed.notice(RUNS, "ADDED", obj("odd", spec=[1, 2], status="none"))
    noticed.notice(FLOWS, "ADDED", obj("odd", spec={"workPoolRef": 3}))
    noticed.notice(JOBS, "ADDED", obj("odd"))

    assert queue.keys == [key(Kind.RUN, "odd"), key(Kind.FLOW, "odd")]


def shared(
    version: int, *, holders: list[str], waiting: list[str], observed: int = 1
) -> dict[str, Any]:
    def entry(run: str) -> dict[str, Any]:
        given = {"holder": run, "uid": f"uid-{run}", "attempt": 1, "process": "run"}
        return given | {"occupy": 1, "expiresAt": "2026-01-01T00:00:00Z", "suspended": True}

    status = {"holders": [*map(entry, holders)], "waiting": [*map(entry, waiting)]}
    status |= {"observedGeneration": observed}
    return obj("db", version, spec={"limit": 1}, status=status)


def resting(name: str, *, priority: int = 0) -> dict[str, Any]:
    wait = {"kind": "ConcurrencyLimit", "name": "db"}
    status = {"state": "Scheduled", "reason": "WaitingForSlot", "waitingFor": wait}
    return obj(name, spec={"flowRef": {"name": "daily"}, "priority": priority}, status=status)


def queued_runs(queue: Queued) -> list[str]:
    return [each.name for each in queue.keys if each.kind == Kind.RUN]


def test_a_limit_concerns_who_has_got_a_slot_who_is_next_and_some_who_may_queue() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    for name in ("served", "first", "second"):
        noticed.notice(RUNS, "ADDED", resting(name))
    for number in range(30):
        noticed.notice(RUNS, "ADDED", resting(f"beside-{number:02}", priority=number))
    at_work = obj("at-work", spec={}, status={"state": "Running"})
    noticed.notice(RUNS, "ADDED", at_work)
    queue.keys.clear()

    limit = shared(2, holders=["served", "at-work"], waiting=["first", "second"])
    noticed.notice(LIMITS, "MODIFIED", limit)

    others = [f"beside-{number:02}" for number in range(22, 30)]
    assert queue.keys[0] == key(Kind.LIMIT, "db")
    assert sorted(queued_runs(queue)) == sorted(["served", "first", *others])


def test_a_long_line_concerns_none_of_those_beside_it() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(RUNS, "ADDED", resting("beside"))
    queue.keys.clear()

    line = [f"r{n}" for n in range(9)]
    noticed.notice(LIMITS, "MODIFIED", shared(2, holders=[], waiting=line))

    assert queued_runs(queue) == []


@pytest.mark.parametrize("event", ["ADDED", "DELETED"])
def test_a_limit_that_comes_or_goes_concerns_all_who_wait_for_it(event: str) -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(RUNS, "ADDED", resting("one"))
    if event == "DELETED":
        noticed.notice(LIMITS, "ADDED", shared(2, holders=[], waiting=[]))
    queue.keys.clear()

    noticed.notice(LIMITS, event, shared(3, holders=[], waiting=[], observed=-1))

    assert queued_runs(queue) == ["one"]


def held_up(
    name: str, version: int = 1, *, state: str = "Pending", waits: bool = True
) -> dict[str, Any]:
    status: dict[str, Any] = {"state": state, "reason": "Unschedulable"}
    if waits:
        status["waitingFor"] = {"kind": "Node", "name": "pod"}
    return obj(name, version, spec={"flowRef": {"name": "daily"}}, status=status)


def test_a_pool_knows_which_runs_hold_a_slot_and_do_not_start() -> None:
    queue = Queued()
    noticed, _ = triggers(queue)
    noticed.notice(POOLS, "ADDED", obj("default", spec={"concurrency": 3}))
    for name in ("one", "two", "three"):
        noticed.notice(RUNS, "ADDED", held_up(name))
    at_first = noticed.admission.use_of(Name("team", "default")).not_started
    queue.keys.clear()

    noticed.notice(RUNS, "MODIFIED", held_up("one", 2, waits=False))
    noticed.notice(RUNS, "MODIFIED", held_up("two", 2, state="Running"))
    noticed.notice(RUNS, "DELETED", held_up("three", 2))

    assert at_first == {"Unschedulable": 3}
    assert noticed.admission.use_of(Name("team", "default")).not_started == {}
    assert Key(Kind.POOL, "team", "default") in queue.keys


def test_a_run_that_waits_for_a_limit_has_no_turn_in_its_pool() -> None:
    noticed, _ = triggers(Queued())
    noticed.notice(POOLS, "ADDED", obj("default", spec={"concurrency": 1}))

    noticed.notice(RUNS, "ADDED", resting("one"))

    assert noticed.admission.use_of(Name("team", "default")).by_queue == {}


def test_a_run_keeps_a_slot_that_its_plan_keeps_though_it_launches_nothing() -> None:
    noticed, _ = triggers(Queued())
    noticed.notice(POOLS, "ADDED", obj("default", spec={"concurrency": 1}))
    noticed.notice(RUNS, "ADDED", resting("one"))
    one, name = FlowRun.model_validate(run("one")), Name("team", "one")
    first = noticed.admission.ask(one, pool="default")

    list(noticed.admission.decided(name, keeps_slot=True))
    noticed.notice(RUNS, "MODIFIED", {**resting("one"), "metadata": obj("one", 2)["metadata"]})
    second = noticed.admission.ask(one, pool="default")
    list(noticed.admission.decided(name))

    assert (first, second) == (Slot(), Slot(is_kept=True))
    assert noticed.admission.use_of(Name("team", "default")).by_queue == {"default": (0, 0)}
