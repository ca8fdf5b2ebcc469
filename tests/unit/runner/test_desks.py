"""One limit in one process, against an object that others write, too."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from penstock.concurrency.ledger import Me, Wish
from penstock.runner.limits.desk import NEVER, Ask, Desk, Write

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ONE = Wish(occupy=1)


class Stored:
    """The object, as an API server that refuses whatever is out of date would keep it."""

    def __init__(self, limit: int = 1, **spec: Any) -> None:
        self.version = 1
        self.spec = {"limit": limit, "leaseDurationSeconds": 60, **spec}
        self.status: dict[str, Any] = {}

    @property
    def object(self) -> dict[str, Any]:
        metadata = {"name": "db", "namespace": "n", "uid": "u"}
        version = {"resourceVersion": str(self.version)}
        return {"metadata": metadata | version, "spec": self.spec, "status": self.status}

    def replace(self, write: Write) -> bool:
        if write.body["metadata"]["resourceVersion"] != str(self.version):
            return False
        self.version, self.status = self.version + 1, write.body["status"]
        return True

    def change(self, **spec: Any) -> None:
        self.version, self.spec = self.version + 1, self.spec | spec

    @property
    def holders(self) -> list[str]:
        return [entry["holder"] for entry in self.status["holders"]]


class Place:
    """A process with its desk, and its own seconds."""

    def __init__(self, stored: Stored, run: str, *, attempt: int = 1) -> None:
        self.stored = stored
        self.at = 0.0
        self.lost = 0
        self.rung = 0
        me = Me(run=run, uid=run, attempt=attempt, process="p")
        self.desk = Desk(me, random=Random(1), tell_lost=self._lose)
        self.look()

    def _lose(self, slots: int) -> None:
        self.lost += slots

    def _ring(self) -> None:
        self.rung += 1

    def ask(self, wish: Wish = ONE) -> Ask:
        ask = self.desk.ask(wish, self._ring)
        self.work()
        return ask

    def give_back(self, ask: Ask) -> None:
        self.desk.give_back(ask)
        self.work()

    def look(self) -> None:
        self.desk.meet(self.stored.object, at=self.at)

    def work(self) -> None:
        """Do what a clerk does, until nothing is due."""
        for _ in range(20):
            if self.desk.due(at=self.at, now=self.now) > self.at:
                return
            if self.desk.is_behind():
                self.look()
            write = self.desk.next_write(at=self.at, now=self.now)
            if write is not None and self.stored.replace(write):
                self.desk.written(write, self.stored.object, at=self.at)
            elif write is not None:
                self.desk.refused(write, at=self.at, took=0.01)
                self.at += 5.0
        raise AssertionError("it never comes to rest")

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.at)

    def wait(self) -> None:
        """Let the time pass after which something is due."""
        due = self.desk.due(at=self.at, now=self.now)
        assert due < NEVER
        self.at = max(self.at, due)
        self.work()


def test_who_waits_is_told_once_that_it_stands_in_line() -> None:
    stored = Stored(leaseDurationSeconds=9)
    holder, place = Place(stored, "a"), Place(stored, "b")
    holder.ask()
    place.look()

    known = place.desk.ask(ONE, place._ring).is_in_line
    place.work()
    first = place.rung
    behind = place.ask()
    place.wait()  # it renews its lease

    assert (known, first, behind.is_in_line, place.rung) == (False, 1, True, 1)


def test_a_free_slot_costs_one_write_and_its_return_another() -> None:
    stored = Stored()
    place = Place(stored, "a")

    ask = place.ask()
    taken = (ask.is_served, stored.holders, stored.version)
    place.give_back(ask)

    assert taken == (True, ["a"], 2)
    assert (stored.holders, stored.version) == ([], 3)


def test_a_slot_goes_from_body_to_body_of_a_process_without_a_write() -> None:
    stored = Stored()
    place = Place(stored, "a")
    first = place.ask()
    second = place.ask()
    version = stored.version

    place.desk.give_back(first)
    place.work()

    assert second.is_served
    assert stored.version == version + 1  # it waits no longer, which others are to know


def test_who_was_passed_a_slot_by_another_process_goes_on_without_a_write() -> None:
    stored = Stored()
    a, b = Place(stored, "a"), Place(stored, "b")
    held, waiting = a.ask(), b.ask()
    a.look()
    a.give_back(held)
    version = stored.version

    b.look()
    b.work()

    assert (waiting.is_served, stored.holders, stored.version) == (True, ["b"], version)


def test_an_answer_that_was_lost_takes_no_second_slot() -> None:
    stored = Stored(limit=2)
    place = Place(stored, "a")
    ask = place.desk.ask(ONE, lambda: None)
    write = place.desk.next_write(at=0.0, now=NOW)
    assert write is not None
    assert stored.replace(write)

    place.desk.refused(write, at=0.0, took=0.01)
    place.at = 10.0
    place.work()

    assert ask.is_served
    assert (stored.status["active"], stored.version) == (1, 2)


def test_who_leaves_while_its_slot_is_on_its_way_gives_it_back() -> None:
    stored = Stored()
    place = Place(stored, "a")
    ask = place.desk.ask(ONE, lambda: None)
    write = place.desk.next_write(at=0.0, now=NOW)
    assert write is not None
    assert stored.replace(write)
    place.desk.give_back(ask)

    place.desk.written(write, stored.object, at=0.0)
    place.work()

    assert stored.holders == []


def test_a_lease_is_renewed_after_a_third_of_its_time() -> None:
    stored = Stored()
    place = Place(stored, "a")
    place.ask()
    before = stored.status["holders"][0]["expiresAt"]

    place.wait()

    assert place.at == 20.0
    assert stored.status["holders"][0]["expiresAt"] > before


def test_who_waits_buries_the_dead_once_their_lease_is_over() -> None:
    stored = Stored()
    Place(stored, "dead").ask()
    place = Place(stored, "a")
    ask = place.ask()

    while not ask.is_served:
        place.wait()

    assert 60.0 <= place.at < 61.0
    assert stored.holders == ["a"]


def test_who_is_behind_leaves_the_dead_to_the_first_in_line_for_a_while() -> None:
    stored = Stored()
    Place(stored, "dead").ask()
    first, second = Place(stored, "first"), Place(stored, "second")
    first.ask()
    second.ask()
    first.look()

    first.at = second.at = 60.3
    second.work()
    left = stored.holders
    first.look()
    first.work()

    assert (left, stored.holders) == (["dead"], ["first"])


def test_a_higher_limit_serves_the_first_in_line_though_nobody_gave_anything_back() -> None:
    stored = Stored(limit=0)
    place = Place(stored, "a")
    ask = place.ask()

    stored.change(limit=1)
    place.look()
    place.work()

    assert (ask.is_served, stored.holders) == (True, ["a"])


def test_slots_that_come_back_by_decay_are_taken_when_they_do() -> None:
    place = Place(Stored(limit=1, slotDecayPerSecond=0.5), "a")
    place.ask(Wish(occupy=1, rate=True))
    second = place.ask(Wish(occupy=1, rate=True))

    place.wait()

    assert (second.is_served, place.at) == (True, pytest.approx(2.0, abs=0.01))


def test_slots_by_rate_are_taken_behind_whoever_yields() -> None:
    stored = Stored(limit=0, slotDecayPerSecond=0.5)
    first, place = Place(stored, "a"), Place(stored, "b")
    first.ask(Wish(occupy=1, rate=True))
    place.look()
    ask = place.ask(Wish(occupy=1, rate=True))
    stored.change(limit=1)
    place.look()
    place.work()
    before = ask.is_served

    stored.status["waiting"][0]["yields"] = True
    stored.change()
    place.look()
    place.work()

    assert (before, ask.is_served) == (False, True)


def test_who_lost_its_slot_says_so_and_returns_nobody_elses() -> None:
    stored = Stored()
    place, other = Place(stored, "a"), Place(stored, "b")
    ask = place.ask()
    other.look()
    stored.version, stored.status = stored.version + 1, stored.status | {"holders": []}
    other.look()
    other.ask()

    place.look()
    place.work()
    place.give_back(ask)

    assert (place.lost, stored.holders) == (1, ["b"])


def test_a_limit_that_is_deleted_holds_nobody_up() -> None:
    place = Place(Stored(limit=0), "a")
    ask = place.ask()

    place.desk.meet(None, at=1.0)

    assert (ask.is_served, place.desk.terms) == (True, None)


def test_a_process_that_ends_for_now_keeps_its_place_and_gives_back_what_it_used() -> None:
    stored = Stored()
    a, b = Place(stored, "a"), Place(stored, "b")
    a.ask()
    b.ask()

    last = b.desk.last_write(suspended=True, now=NOW)
    assert last is not None
    assert stored.replace(last)
    a.look()
    last = a.desk.last_write(suspended=True, now=NOW)
    assert last is not None
    assert stored.replace(last)

    assert [(e["holder"], e["suspended"]) for e in stored.status["holders"]] == [("b", True)]
    assert stored.status["waiting"] == []


def test_older_news_than_what_is_known_is_dropped() -> None:
    stored = Stored()
    place = Place(stored, "a")
    old = stored.object
    place.ask()

    place.desk.meet(old, at=1.0)
    place.work()

    assert stored.holders == ["a"]
