"""A schedule through crashes, outages, old caches and clock steps: each moment counts once (G7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import takewhile
from random import Random
from typing import Any

import pytest
from tests.seeds import seeds
from tests.unit.operator.reconcile.scheduling.world import START, Refused, World

from penstock_operator.model.schedule import OverlapPolicy, Schedule, ScheduleSpec
from penstock_operator.model.states import State
from penstock_operator.reconcile.scheduling.observed import ObservedSchedule
from penstock_operator.reconcile.scheduling.rules import scheduled_after

RULES: tuple[dict[str, Any], ...] = (
    {"cron": "0 * * * *", "timeZone": "Europe/Berlin"},
    {"cron": "30 2 * * *", "timeZone": "America/New_York"},
    {"interval": {"seconds": 900}},
    {"rrule": "FREQ=DAILY;BYHOUR=1,13;BYMINUTE=15;BYSECOND=0", "timeZone": "Australia/Lord_Howe"},
    {"crons": ["*/20 8-10 * * *", "0 9 * * *"]},
)
NO_RULE = dict.fromkeys(("cron", "crons", "interval", "rrule", "timeZone"))
ENDINGS = (State.COMPLETED, State.COMPLETED, State.FAILED, State.CRASHED, State.CANCELLED)


class History:
    """What happens to one schedule, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = draw = Random(seed)
        self.world = World(
            {
                **draw.choice(RULES),
                "overlapPolicy": str(draw.choice(list(OverlapPolicy))),
                "jitterSeconds": draw.choice([0, 0, 1200]),
                "catchUp": {
                    "windowSeconds": draw.choice([60, 3600, 7 * 86400]),
                    "limit": draw.choice([0, 1, 5]),
                    "order": draw.choice(["OldestFirst", "NewestFirst"]),
                },
            }
        )
        self.seen: list[ObservedSchedule] = []

    def step(self) -> None:
        """Let one thing happen."""
        draw, world = self.random, self.world
        match draw.randrange(12):
            case 0:  # nobody looks for a while
                world.now += timedelta(hours=draw.randrange(1, 200))
            case 1:
                world.end(*draw.sample(world.active, k=len(world.active) // 2 or 0) or [])
            case 2 if world.active:
                world.end(draw.choice(world.active), state=draw.choice(ENDINGS))
            case 3:
                world.edit(suspend=not world.spec.get("suspend", False))
            case 4:
                world.edit(overlapPolicy=str(draw.choice(list(OverlapPolicy))))
                if draw.random() < 0.3:
                    world.edit(**(NO_RULE | draw.choice(RULES)))
            case 5:
                self.operate(crash=True)
            case 6 | 8:
                self.operate(skew=timedelta(minutes=draw.randrange(-180, 180)))
            case 7 if self.seen:
                self.operate(seen=draw.choice(self.seen))
            case _:
                world.now += timedelta(minutes=draw.randrange(1, 90))
                self.operate()

    def operate(
        self,
        *,
        crash: bool = False,
        skew: timedelta = timedelta(0),
        seen: ObservedSchedule | None = None,
    ) -> None:
        """Let an operator act once: one that dies, whose clock is wrong, or that knows old news."""
        seen = seen or self.world.snapshot()
        plan = self.world.plan(seen, now=self.world.now + skew)
        stop = self.random.randrange(len(plan.actions) + 1) if crash else None
        with suppress(Refused):
            self.world.carry_out(plan, actions=stop)
        self.seen = [*self.seen[-5:], seen]

    def settle(self) -> None:
        """Let all that is wrong be mended, and everything end that goes on or waits."""
        if self.world.spec.get("suspend"):
            self.world.edit(suspend=False)
        self.world.now += timedelta(hours=4)
        self.world.settle()
        while self.world.active or self.world.status["buffered"]:
            self.world.end()
            self.world.settle()


@pytest.mark.parametrize("seed", seeds(8))
def test_each_moment_gets_one_run_or_is_counted_as_skipped_once(seed: int) -> None:
    history = History(seed)
    for _ in range(120):
        history.step()

    history.settle()

    assert_each_moment_counts_once(history.world)


@pytest.mark.parametrize("seed", seeds(1, many=100))
def test_a_year_of_restarts_outages_and_clock_steps_loses_and_doubles_nothing(seed: int) -> None:
    history = History(seed)
    while history.world.now < START + timedelta(days=366):
        history.step()
        history.world.now += timedelta(hours=history.random.randrange(12))

    history.settle()

    assert_each_moment_counts_once(history.world)


def _named(begin: datetime, end: datetime, spec: ScheduleSpec) -> Iterator[datetime]:
    return takewhile(lambda moment: moment <= end, scheduled_after(begin, spec=spec))


def assert_each_moment_counts_once(world: World) -> None:
    """Compare the runs and the counted skips with the moments that the rule names."""
    schedule = world.snapshot().schedule
    assert isinstance(schedule, Schedule)
    named = [moment for begin, end, spec in world.rules for moment in _named(begin, end, spec)]
    assert len(world.made) == len(set(world.made)) == schedule.status.started
    assert set(world.moments) <= set(named)
    assert len(world.made) + sum(world.skipped.values()) == len(named)


@pytest.mark.parametrize("seed", seeds(4, many=500))
def test_without_an_overlap_allowed_no_two_runs_go_on_at_once(seed: int) -> None:
    history = History(seed)
    policy = history.random.choice(["Skip", "BufferOne", "BufferAll", "CancelRunning"])
    history.world.edit(overlapPolicy=policy)
    most = 0
    for _ in range(120):
        history.step()
        if history.world.spec["overlapPolicy"] != policy:
            history.world.edit(overlapPolicy=policy)
        most = max(most, len(history.world.active))

    assert most <= 1
