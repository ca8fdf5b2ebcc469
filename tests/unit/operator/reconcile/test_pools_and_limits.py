"""Random lives of runs that need slots of a pool and of a limit: all of them come to an end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from tests.seeds import seeds
from tests.unit.operator.reconcile.cluster import START, Cluster, Operator

from penstock.concurrency.book import WHOLE_RUN, Book, Terms
from penstock.concurrency.ledger import Me, Wish, bury, hand_over, leave, settle
from penstock_operator.reconcile.lines import FlowLimit, Place
from penstock_operator.reconcile.observed import Look, ObservedRun, Slot
from penstock_operator.reconcile.slots import Seat, Slots

SHARED = [{"name": "db", "occupy": 1}]
AT_WORK = ("Pending", "Running", "Cancelling")
ANY: FlowLimit[int] = FlowLimit()


@dataclass
class Admitting(Operator):
    """Asks for the slots of a pool that other runs want, too."""

    pool: Slots[int] = field(default_factory=Slots)
    number: int = 0

    @property
    def seat(self) -> Seat[int]:
        return Seat("default", Place(0, START, f"{self.number:03}"), ANY)

    def look(self, observed: ObservedRun, need: frozenset[Look]) -> ObservedRun:
        observed = super().look(observed, need)
        if Look.SLOT not in need:
            return observed
        wait = self.pool.ask(self.number, self.seat)
        if wait is not None:
            return replace(observed, slot=Slot(wait.ahead))
        return replace(observed, slot=Slot(is_kept=self.pool.is_kept(self.number)))

    def act(self) -> None:
        """Reconcile once; tell the pool how the run stands then."""
        plan = self.reconcile()
        if self.cluster.state in AT_WORK:
            self.pool.holds(self.number, self.seat)
        elif plan.keeps_slot:
            self.pool.keep(self.number)
        else:
            self.pool.not_taken(self.number)
        if self.cluster.state not in (*AT_WORK, "Scheduled"):
            self.pool.rests(self.number)


@dataclass
class Life:
    """One run: some need a slot for all of their time, others for tasks in between."""

    operator: Admitting
    whole: bool
    tasks: int
    stays: bool
    """Whether it waits for slots in bodies of tasks, which hold its pod."""
    uses: int = 0
    waits: bool = False
    asked_as: int = 0

    @property
    def cluster(self) -> Cluster:
        return self.operator.cluster

    @property
    def attempt(self) -> int:
        return int(self.cluster.status.get("attempt", 0))

    @property
    def has_pod(self) -> bool:
        return self.cluster.state in AT_WORK and f"one-{self.attempt}" in self.cluster.jobs

    @property
    def me(self) -> Me:
        uid = self.cluster.run["metadata"]["uid"]
        return Me(run="one", uid=uid, attempt=self.attempt, process="p1")


class World:
    """A pool, a limit, and runs that want slots of both."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        pool: Slots[int] = Slots()
        pool.limit_to(self.draw.randint(1, 3), queues={})
        self.terms = Terms(limit=self.draw.randint(1, 2))
        self.limits: dict[str, Any] = {}
        self.lives = [self._life(number, pool) for number in range(6)]

    def _life(self, number: int, pool: Slots[int]) -> Life:
        whole = self.draw.random() < 0.4
        cluster = Cluster(serial=1000 * (number + 1))
        source = {"inline": {"files": {"flow.py": "def daily(): ..."}}}
        shared = {"concurrencyLimits": SHARED} if whole else {}
        cluster.flow = cluster.new(
            "daily", {"entrypoint": "flow.py:daily", "source": source} | shared
        )
        cluster.pool = cluster.new("default", {"concurrency": 1})
        cluster.pool["status"] = {"observedGeneration": 1}
        cluster.run = cluster.new("one", {"flowRef": {"name": "daily"}})
        cluster.limits = self.limits
        self.limits.setdefault("db", cluster.new("db", {"limit": self.terms.limit}))
        operator = Admitting(cluster, pool=pool, number=number)
        tasks, stays = self.draw.randint(1, 3), self.draw.random() < 0.5
        return Life(operator, whole=whole, tasks=tasks, stays=stays)

    @property
    def book(self) -> Book:
        return Book.read(self.limits["db"].get("status") or {})

    def write(self, life: Life, book: Book) -> None:
        limit = self.limits["db"]
        version = {"resourceVersion": life.cluster.tick()}
        metadata = limit["metadata"] | version
        self.limits["db"] = limit | {"metadata": metadata, "status": book.written()}

    def step(self, life: Life) -> None:
        """Let one run, and whoever acts on it, do one thing."""
        life.operator.act()
        if not life.has_pod or life.cluster.is_over:
            return
        if life.whole or not life.tasks:
            self.end(life)
        elif life.uses:
            life.uses, life.tasks = 0, life.tasks - 1
            self.ask(life, returned=1, line=[])
        elif life.waits and life.asked_as == life.attempt and not life.stays:
            self.leave(life)
        else:
            self.ask(life, returned=0, line=[Wish(occupy=1)])

    def ask(self, life: Life, *, returned: int, line: list[Wish]) -> None:
        life.asked_as = life.attempt
        told = settle(
            self.book, self.terms, me=life.me, used=0, returned=returned, line=line, now=START
        )
        self.write(life, told.book)
        life.uses, life.waits = told.served, bool(line) and not told.served

    def leave(self, life: Life) -> None:
        self.write(life, leave(self.book, self.terms, me=life.me, suspended=True, now=START))
        life.cluster.leave(life.attempt, "ConcurrencyLimit", name="db")

    def end(self, life: Life) -> None:
        """End, and be buried by the plan of the limit."""
        life.cluster.finish(life.attempt)
        life.operator.act()
        uid = life.cluster.run["metadata"]["uid"]
        everybody = (*self.book.holders, *self.book.waiting)
        dead = {each.key for each in everybody if each.uid == uid}
        self.write(life, hand_over(bury(self.book, dead), self.terms, now=START))

    def check(self) -> None:
        using = sum(each.uses for each in self.lives)
        whole = sum(each.whole and each.has_pod for each in self.lives)
        assert using + whole <= self.terms.limit
        assert sum(each.process == WHOLE_RUN for each in self.book.holders) >= whole


@pytest.mark.parametrize("seed", seeds(8))
def test_whoever_waits_for_whom_all_runs_come_to_their_end(seed: int) -> None:
    world = World(seed)

    for _ in range(60):
        for life in world.draw.sample(world.lives, k=len(world.lives)):
            if not life.cluster.is_over:
                world.step(life)
                world.check()

    assert [life.cluster.state for life in world.lives] == ["Completed"] * 6
    assert (world.book.holders, world.book.waiting) == ((), ())
