"""Slots of a pool: never too many, none idle while somebody may take it, and in order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from tests.seeds import seeds

from penstock_operator.reconcile.lines import NO_LIMIT, FlowLimit, Place
from penstock_operator.reconcile.slots import QueueLimits, Seat, Slots, Wait

START = datetime(2026, 1, 1, tzinfo=UTC)
ANY: FlowLimit[int] = FlowLimit()
"""A flow without a limit."""


def place(number: int, *, priority: int = 0) -> Place:
    return Place(-priority, START + timedelta(seconds=number), f"run-{number:05}")


def seat(
    number: int,
    *,
    queue: str = "default",
    flow: FlowLimit[int] = ANY,
    priority: int = 0,
    is_new: bool = True,
) -> Seat[int]:
    return Seat(queue, place(number, priority=priority), flow, is_new=is_new)


def ask(
    slots: Slots[int], *runs: int, queue: str = "default", flow: FlowLimit[int] = ANY
) -> list[int | None]:
    """Return how many are ahead of each, nothing of those that get a slot."""
    waits = [slots.ask(run, seat(run, queue=queue, flow=flow)) for run in runs]
    return [None if wait is None else wait.ahead for wait in waits]


def at_most(limit: int) -> FlowLimit[int]:
    flow: FlowLimit[int] = FlowLimit()
    flow.limit_to(limit)
    return flow


def limited(limit: int | None, **queues: QueueLimits) -> Slots[int]:
    slots: Slots[int] = Slots()
    slots.limit_to(limit, queues=queues)
    return slots


def test_runs_beyond_the_limit_are_told_how_many_are_ahead() -> None:
    assert ask(limited(2), 1, 2, 3, 4, 5) == [None, None, 0, 1, 2]


def test_who_holds_a_slot_keeps_it_when_it_asks_again() -> None:
    slots = limited(1)

    assert ask(slots, 1, 2, 1) == [None, 0, None]


def test_the_oldest_is_next_when_a_slot_comes_free() -> None:
    slots = limited(1)
    ask(slots, 1, 3, 2)
    slots.holds(1, seat(1))

    slots.rests(1)

    assert list(slots.next()) == [2]
    assert ask(slots, 3, 2) == [1, None]


def test_a_higher_priority_overtakes_those_that_wait() -> None:
    slots = limited(1)
    ask(slots, 1, 2)

    wait = slots.ask(9, seat(9, priority=5))
    slots.not_taken(1)

    assert wait == Wait(0)
    assert list(slots.next()) == [9]


def test_a_queue_of_higher_priority_goes_first_as_far_as_its_own_limit_lets_it() -> None:
    queues = {"urgent": QueueLimits(10, 2), "default": QueueLimits()}
    slots = limited(0, **queues)
    ask(slots, 1, 2, 3)
    ask(slots, 11, 12, 13, queue="urgent")

    slots.limit_to(3, queues=queues)

    assert list(slots.next()) == [11, 12, 1]


def test_a_lower_limit_stops_nobody_and_a_higher_one_counts_at_once() -> None:
    slots = limited(3)
    ask(slots, 1, 2, 3, 4)

    slots.limit_to(1, queues={})
    lowered = (slots.active(), list(slots.next()))
    slots.limit_to(4, queues={})

    assert lowered == (3, [])
    assert list(slots.next()) == [4]


def test_a_grant_that_is_not_used_goes_to_the_next() -> None:
    slots = limited(1)
    ask(slots, 1, 2)

    slots.not_taken(1)

    assert list(slots.next()) == [2]


def test_a_limit_of_nothing_lets_nobody_start() -> None:
    assert ask(limited(0), 1, 2) == [0, 1]


def test_a_run_whose_flow_is_at_its_limit_holds_up_nobody_else() -> None:
    slots, one = limited(3), at_most(1)

    asked = [*ask(slots, 1, 2, 3, flow=one), *ask(slots, 4, 5, 6)]

    assert asked == [None, 0, 1, None, None, 0]


def test_a_run_is_told_whether_it_waits_for_its_flow_or_for_the_pool() -> None:
    slots, one = limited(1), at_most(1)
    ask(slots, 1, flow=one)

    waits = [slots.ask(2, seat(2, flow=one)), slots.ask(3, seat(3))]

    assert waits == [Wait(0, for_flow=True), Wait(0)]


def test_the_next_of_a_flow_starts_when_one_has_ended_also_in_another_pool() -> None:
    here, there, one = limited(None), limited(None), at_most(1)
    ask(here, 1, flow=one)
    here.holds(1, seat(1, flow=one))
    ask(there, 2, 3, flow=one)
    before = list(there.next())

    here.rests(1)

    assert before == []
    assert list(there.next()) == [2]


def test_a_flows_urgent_run_that_its_queue_holds_leaves_the_room_to_another() -> None:
    queues = {"urgent": QueueLimits(10, 0)}
    slots, one = limited(5, **queues), at_most(1)
    ask(slots, 1, queue="urgent", flow=one)

    assert ask(slots, 2, flow=one) == [None]


def test_one_room_is_not_offered_to_two_queues() -> None:
    slots, one = limited(0, urgent=QueueLimits(10)), at_most(1)
    ask(slots, 1, flow=one)
    ask(slots, 2, queue="urgent", flow=one)

    slots.limit_to(5, queues={"urgent": QueueLimits(10)})

    assert list(slots.next()) == [2]


def test_a_flows_limit_can_be_changed_both_ways() -> None:
    slots, flow = limited(None), at_most(1)
    ask(slots, 1, 2, 3, 4, flow=flow)

    flow.limit_to(3)
    raised = list(slots.next())
    flow.limit_to(0)
    lowered = list(slots.next())
    flow.limit_to(None)

    assert (raised, lowered, list(slots.next())) == ([2, 3], [], [2, 3, 4])


def test_the_oldest_have_to_go_for_the_newest() -> None:
    slots, two = limited(None), at_most(2)
    ask(slots, 1, 2, flow=two)
    for run in (1, 2):
        slots.holds(run, seat(run, flow=two, is_new=False))

    ask(slots, 3, flow=two)
    one_more = list(two.surplus())
    ask(slots, 4, 5, flow=two)

    assert one_more == [1]
    assert list(two.surplus()) == [1, 2, 3]
    assert [slots.is_superseded(run) for run in (1, 2, 3, 4, 5)] == [True] * 3 + [False] * 2


@pytest.mark.parametrize(
    ("limit", "pool", "is_new"),
    [
        pytest.param(1, 5, False, id="one that comes back from a wait"),
        pytest.param(0, 5, True, id="one that its flow never lets start"),
        pytest.param(1, 0, True, id="one that its pool never lets start"),
    ],
)
def test_nobody_goes_for(limit: int, pool: int, is_new: bool) -> None:
    slots, flow = limited(5), at_most(5)
    ask(slots, 1, flow=flow)
    slots.holds(1, seat(1, flow=flow))
    slots.limit_to(pool, queues={})
    flow.limit_to(limit)

    slots.ask(2, seat(2, flow=flow, is_new=is_new))

    assert list(flow.surplus()) == []


@pytest.mark.parametrize("seed", seeds(12))
def test_in_any_history_limits_hold_order_holds_and_no_slot_idles(seed: int) -> None:
    draw = Random(seed)
    queues = {
        "default": QueueLimits(0, draw.choice([1, 3, NO_LIMIT])),
        "urgent": QueueLimits(10, draw.choice([1, 2, NO_LIMIT])),
        "batch": QueueLimits(-10),
    }
    limit = draw.randrange(1, 6)
    slots = limited(limit, **queues)
    flows = [at_most(draw.randrange(4)), at_most(draw.randrange(1, 4)), FlowLimit[int]()]
    waiting: dict[int, Seat[int]] = {}
    active: dict[int, Seat[int]] = {}

    def is_admissible(each: Seat[int]) -> bool:
        in_queue = sum(other.queue == each.queue for other in active.values())
        of_flow = sum(other.flow is each.flow for other in active.values())
        return in_queue < queues[each.queue].limit and of_flow < each.flow.limit

    for number in range(300):
        chance = draw.random()
        if chance < 0.5:
            priority, flow = draw.choice([0, 0, 5]), draw.choice(flows)
            queue = draw.choice(list(queues))
            waiting[number] = seat(number, queue=queue, flow=flow, priority=priority)
            foretold = slots.has_turn_for(number, waiting[number])
            slots.waits(number, waiting[number])
            assert (number in slots.next()) == slots.has_turn_for(number, waiting[number])
            assert (number in slots.next()) == foretold
        elif chance < 0.55:
            flow = draw.choice(flows[:2])
            flow.limit_to(max(draw.randrange(4), sum(s.flow is flow for s in active.values())))
        elif active:
            run = draw.choice(list(active))
            del active[run]
            slots.rests(run)
        for run in list(slots.next()):
            mine = waiting.pop(run)
            before = [each for each in waiting.values() if each.queue == mine.queue]
            assert all(mine.place < each.place or not is_admissible(each) for each in before)
            assert slots.ask(run, mine) is None
            slots.holds(run, mine)
            active[run] = mine

        taken = list(active.values())
        assert len(taken) <= limit
        for name, each in queues.items():
            assert sum(held.queue == name for held in taken) <= each.limit
        assert all(sum(held.flow is flow for held in taken) <= flow.limit for flow in flows)
        assert len(taken) == limit or not any(map(is_admissible, waiting.values()))
        assert use(slots) == (Counter(each.queue for each in taken), queued(waiting))


def use(slots: Slots[int]) -> tuple[Counter[str], Counter[str]]:
    shown = slots.by_queue().items()
    return (
        +Counter({name: active for name, (active, _) in shown}),
        +Counter({name: waiting for name, (_, waiting) in shown}),
    )


def queued(waiting: dict[int, Seat[int]]) -> Counter[str]:
    return Counter(each.queue for each in waiting.values())


@pytest.mark.parametrize("flow", [ANY, at_most(7)], ids=["of any flow", "of a flow with a limit"])
def test_a_thousand_that_wait_start_in_order(flow: FlowLimit[int]) -> None:
    slots = limited(10)
    runs = list(range(1_000))
    Random(1).shuffle(runs)
    for run in runs:
        slots.waits(run, seat(run, flow=flow))

    started: list[int] = []
    while len(started) < 1_000:
        for run in list(slots.next()):
            assert slots.ask(run, seat(run, flow=flow)) is None
            slots.holds(run, seat(run, flow=flow))
            started.append(run)
        for run in started[-10:]:
            slots.rests(run)

    assert started == sorted(started)


def test_a_grant_that_is_kept_is_a_slot_until_it_is_used_or_given_up() -> None:
    slots = limited(1)
    ask(slots, 1, 2)
    slots.keep(1)
    slots.waits(1, seat(1))
    slots.rests(1)
    meanwhile = slots.is_kept(1), ask(slots, 2)

    slots.not_taken(1)

    assert meanwhile == (True, [0])
    assert (slots.is_kept(1), ask(slots, 2)) == (False, [None])
