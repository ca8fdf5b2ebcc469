"""Slots of a pool: never too many, none idle while somebody may take it, and in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from penstock_operator.reconcile.slots import Place, QueueLimits, Slots

START = datetime(2026, 1, 1, tzinfo=UTC)


def place(number: int, *, priority: int = 0) -> Place:
    return Place(-priority, START + timedelta(seconds=number), f"run-{number:05}")


def ask(slots: Slots[int], *runs: int, queue: str = "default") -> list[int | None]:
    return [slots.ask(run, queue=queue, place=place(run)) for run in runs]


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
    slots.holds(1, queue="default")

    slots.rests(1)

    assert list(slots.next()) == [2]
    assert ask(slots, 3, 2) == [1, None]


def test_a_higher_priority_overtakes_those_that_wait() -> None:
    slots = limited(1)
    ask(slots, 1, 2)

    ahead = slots.ask(9, queue="default", place=place(9, priority=5))
    slots.not_taken(1)

    assert ahead == 0
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


@pytest.mark.parametrize("seed", range(25))
def test_in_any_history_limits_hold_order_holds_and_no_slot_idles(seed: int) -> None:
    draw = Random(seed)
    queues = {
        "default": QueueLimits(0, draw.choice([1, 3, 2**31])),
        "urgent": QueueLimits(10, draw.choice([1, 2, 2**31])),
        "batch": QueueLimits(-10),
    }
    limit = draw.randrange(1, 6)
    slots = limited(limit, **queues)
    waiting: dict[int, tuple[str, Place]] = {}
    active: dict[int, str] = {}
    for number in range(300):
        if draw.random() < 0.5:
            name = draw.choice(list(queues))
            waiting[number] = (name, place(number, priority=draw.choice([0, 0, 5])))
            slots.waits(number, queue=name, place=waiting[number][1])
        elif active:
            run = draw.choice(list(active))
            del active[run]
            slots.rests(run)
        for run in list(slots.next()):
            name, at = waiting.pop(run)
            assert all(queue != name or at < where for queue, where in waiting.values())
            assert slots.ask(run, queue=name, place=at) is None
            slots.holds(run, queue=name)
            active[run] = name

        taken = list(active.values())
        assert len(taken) <= limit
        assert all(taken.count(name) <= each.limit for name, each in queues.items())
        if len(taken) < limit:
            assert all(taken.count(name) >= queues[name].limit for name, _ in waiting.values())


def test_thousands_that_wait_start_in_order() -> None:
    slots = limited(10)
    runs = list(range(2_000))
    Random(1).shuffle(runs)
    for run in runs:
        slots.waits(run, queue="default", place=place(run))

    started: list[int] = []
    while len(started) < 2_000:
        for run in list(slots.next()):
            assert slots.ask(run, queue="default", place=place(run)) is None
            slots.holds(run, queue="default")
            started.append(run)
        for run in started[-10:]:
            slots.rests(run)

    assert started == sorted(started)
