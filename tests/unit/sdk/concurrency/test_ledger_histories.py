"""Random lives of processes that share a limit, each of which sees the book late and may die."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from tests.seeds import seeds

from penstock.concurrency.book import Book, Key, Terms
from penstock.concurrency.ledger import (
    Me,
    Settled,
    Wish,
    bury,
    first_in_line,
    hand_over,
    leave,
    next_served,
    return_to_line,
    settle,
    step_aside,
)

STEPS = 150


@dataclass
class Process:
    """What a process knows of itself, and the book as it saw it last."""

    me: Me
    seen: Book = field(default_factory=Book)
    used: list[int] = field(default_factory=list)
    returned: int = 0
    line: list[Wish] = field(default_factory=list)

    def settle(self, terms: Terms, *, now: datetime) -> Settled:
        return settle(
            self.seen,
            terms,
            me=self.me,
            used=sum(self.used),
            returned=self.returned,
            line=self.line,
            now=now,
        )

    def take(self, settled: Settled) -> None:
        served, self.line = self.line[: settled.served], self.line[settled.served :]
        self.used += [wish.occupy for wish in served]
        self.returned = 0
        self.seen = settled.book


class History:
    """One limit, four processes, and what happens to them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.terms = Terms(limit=2)
        self.bound = 2
        self.book = Book()
        self.processes = [Process(_me(name, attempt=1)) for name in "abcd"]

    def ask(self, process: Process) -> None:
        overtakes = bool(process.used) and self.random.random() < 0.3
        wish = Wish(occupy=self.random.choice([1, 1, 1, 2, 3]), overtakes=overtakes)
        process.line.insert(0 if overtakes else len(process.line), wish)

    def give_up(self, process: Process) -> None:
        if process.line:
            process.line.pop(self.random.randrange(len(process.line)))

    def end_a_body(self, process: Process) -> None:
        if process.used:
            process.returned += process.used.pop()

    def look(self, process: Process) -> None:
        process.seen = self.book

    def write(self, process: Process) -> None:
        settled = process.settle(self.terms, now=self.now)
        if settled.book != process.seen and process.seen != self.book:  # a conflict: read again
            process.seen = self.book
            settled = process.settle(self.terms, now=self.now)
        if settled.book != process.seen:
            _nobody_was_passed(self.book, settled.book, writer=process.me.key, terms=self.terms)
            self.book = settled.book
        process.take(settled)

    def die(self, process: Process) -> None:
        later = Process(_me(process.me.run, attempt=process.me.attempt + 1))
        self.processes[self.processes.index(process)] = later

    def suspend(self, process: Process) -> None:
        used = sum(process.used) + process.returned
        self.book = leave(
            self.book, self.terms, me=process.me, used=used, suspended=True, now=self.now
        )
        self.die(process)

    def be_held_up(self, process: Process) -> None:
        """Have a run that came away find no room in its pool, and find some later."""
        mine = {
            each.key
            for each in (*self.book.holders, *self.book.waiting)
            if each.suspended and each.uid == process.me.uid
        }
        change = self.random.choice([step_aside, return_to_line])
        self.book = hand_over(change(self.book, mine), self.terms, now=self.now)

    def bury_the_dead(self, process: Process) -> None:
        living = {process.me.key for process in self.processes}
        everybody = (*self.book.holders, *self.book.waiting)
        dead = {each.key for each in everybody if not each.suspended and each.key not in living}
        self.book = hand_over(bury(self.book, dead), self.terms, now=self.now)

    def change_limit(self, process: Process) -> None:
        self.terms = replace(self.terms, limit=self.random.randrange(5))

    def settle_all(self, process: Process) -> None:
        """Nothing happens but that everybody hears of everything: nobody waits in vain then."""
        for _ in range(30):
            before = self.book
            for each in self.processes:
                self.look(each)
                self.write(each)
            if self.book == before:
                break
        else:
            raise AssertionError("The book never comes to rest.")
        assert first_in_line(self.book, self.terms) is None or not next_served(
            self.book, self.terms, now=self.now
        )
        for each in self.processes:
            assert (self.book.ticket_of(each.me.key) is not None) == bool(each.line)
            assert self.book.held_by(each.me.key) == sum(each.used)

    def step(self) -> None:
        self.now += timedelta(milliseconds=1)
        happenings: list[tuple[Callable[[Process], None], int]] = [
            (self.ask, 8),
            (self.write, 16),
            (self.end_a_body, 6),
            (self.give_up, 1),
            (self.look, 2),
            (self.die, 1),
            (self.suspend, 1),
            (self.be_held_up, 2),
            (self.bury_the_dead, 1),
            (self.change_limit, 1),
            (self.settle_all, 1),
        ]
        happen, weights = zip(*happenings, strict=True)
        (happens,) = self.random.choices(happen, weights)
        happens(self.random.choice(self.processes))
        self.check()

    def check(self) -> None:
        # A lower limit takes nothing away; but nothing is added above it either.
        self.bound = max(self.terms.limit, min(self.bound, self.book.held))
        assert self.book.held <= self.bound
        keys = [entry.key for entry in self.book.waiting]
        assert len(keys) == len(set(keys))
        assert Book.read(self.book.written()) == self.book


def _me(name: str, *, attempt: int) -> Me:
    return Me(run=name, uid=name, attempt=attempt, process="p")


def _nobody_was_passed(before: Book, after: Book, *, writer: Key, terms: Terms) -> None:
    """Who stood in line and is served has nobody before it who could have been."""
    still = {entry.key for entry in after.waiting}
    others = [
        entry
        for entry in before.waiting
        if entry.uid != writer.uid and entry.occupy <= terms.limit and not entry.yields
    ]
    is_served = [entry.key not in still for entry in others]
    assert is_served == sorted(is_served, reverse=True)


@pytest.mark.parametrize("seed", seeds(16))
def test_slots_are_never_over_subscribed_never_idle_and_given_in_turn(seed: int) -> None:
    history = History(seed)

    for _ in range(STEPS):
        history.step()

    history.settle_all(history.processes[0])
    assert history.book.held > 0 or not history.book.waiting or history.terms.limit < 3
