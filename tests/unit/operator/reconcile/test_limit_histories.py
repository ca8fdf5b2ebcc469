"""Random lives of runs that share slots: never too many, none lost, whoever is killed and when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from penstock.concurrency.book import WHOLE_RUN, Book, Entry, Terms
from penstock.concurrency.ledger import Me, Wish, hand_over, leave, settle
from penstock_operator.model.meta import ObjectMeta
from penstock_operator.reconcile.actions import PutLimitStatus
from penstock_operator.reconcile.limits import plan_limit
from penstock_operator.reconcile.observed import ObservedLimit
from penstock_operator.reconcile.views import LimitView, RunView

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
TERMS = Terms(limit=3)


@dataclass
class Life:
    """A run: what its process believes to hold, and what the operator holds for all of it."""

    name: str
    whole: bool
    attempt: int = 1
    state: str = "Running"
    uses: int = 0
    waits: bool = False

    @property
    def me(self) -> Me:
        return Me(run=self.name, uid=self.name, attempt=self.attempt, process="p1")

    @property
    def is_over(self) -> bool:
        return self.state == "Completed"

    def seen(self) -> RunView:
        return RunView(
            self.name,
            self.name,
            is_over=self.is_over,
            state=self.state,
            attempt=self.attempt,
            reporting_since=START - timedelta(hours=1),
        )


@dataclass
class History:
    """One limit, and those who share it."""

    draw: Random
    now: datetime = START
    book: Book = field(default_factory=Book)
    lives: list[Life] = field(default_factory=list)

    def step(self) -> None:
        self.now += timedelta(seconds=1)
        working = [each for each in self.lives if each.state == "Running"]
        deeds = (self.begin, self.ask, self.ask, self.give_back, self.rest, self.kill, self.end)
        deed = self.draw.choice(deeds)
        if deed == self.begin or not working:
            self.begin(None)
        else:
            deed(self.draw.choice(working))

    def begin(self, _: Life | None) -> None:
        life = Life(f"r{len(self.lives)}", whole=self.draw.random() < 0.4)
        self.lives.append(life)
        if life.whole:
            life.state = "Scheduled"
            ticket = Entry(
                run=life.name,
                uid=life.name,
                attempt=1,
                process=WHOLE_RUN,
                occupy=1,
                expires_at=self.now,
                since=self.now,
                suspended=True,
            )
            waiting = (*self.book.waiting, ticket)
            self.book = hand_over(replace(self.book, waiting=waiting), TERMS, now=self.now)

    def ask(self, life: Life) -> None:
        used, line = life.uses, [Wish(occupy=1)]
        told = settle(self.book, TERMS, me=life.me, used=used, line=line, now=self.now)
        self.book, life.waits = told.book, not told.served
        life.uses += told.served

    def give_back(self, life: Life) -> None:
        if life.uses:
            life.uses -= 1
            line = [Wish(occupy=1)] if life.waits else []
            told = settle(
                self.book, TERMS, me=life.me, used=life.uses, returned=1, line=line, now=self.now
            )
            self.book = told.book
            life.uses += told.served
            life.waits = life.waits and not told.served

    def rest(self, life: Life) -> None:
        """Leave the pod to wait for a slot; come back when the operator sees one."""
        if life.waits and not life.whole:
            args = {"me": life.me, "used": life.uses, "now": self.now}
            self.book = leave(self.book, TERMS, suspended=True, **args)  # type: ignore[arg-type]
            life.uses, life.state = 0, "Suspended"

    def kill(self, life: Life) -> None:
        life.attempt, life.uses, life.waits = life.attempt + 1, 0, False

    def end(self, life: Life) -> None:
        life.state, life.uses = "Completed", 0

    def operate(self) -> None:
        """Let the operator look: at the limit, then at runs that are to be launched."""
        limit = LimitView(ObjectMeta(name="db"), {"status": {}}, TERMS, self.book)
        runs = {each.name: each.seen() for each in self.lives}
        (action,) = plan_limit(ObservedLimit(limit, runs=runs), now=self.now).actions
        assert isinstance(action, PutLimitStatus)
        self.book = Book.read(action.manifest["status"])  # type: ignore[arg-type]
        holders = {each.run for each in self.book.holders}
        for life in self.lives:
            if life.state == "Scheduled" and life.name in holders:
                life.state = "Running"
            elif life.state == "Suspended" and life.name in holders:
                life.state, life.attempt = "Running", life.attempt + 1
                self.ask(life)

    def in_use(self) -> int:
        whole = sum(each.whole and each.state == "Running" for each in self.lives)
        return whole + sum(each.uses for each in self.lives)


@pytest.mark.parametrize("seed", range(25))
def test_in_any_history_slots_are_never_too_many_and_never_lost(seed: int) -> None:
    draw = Random(seed)
    history = History(draw)
    for _ in range(150):
        history.step()
        assert history.in_use() <= TERMS.limit
        if draw.random() < 0.5:
            history.operate()
            assert history.in_use() <= TERMS.limit
            assert history.book.held == TERMS.limit or not history.book.waiting

    for life in history.lives:
        history.end(life)
    history.operate()

    assert (history.book.holders, history.book.waiting) == ((), ())
