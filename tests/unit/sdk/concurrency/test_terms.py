"""Waits for slots with a time-out that outlive their process: a later one finds the same end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from penstock.concurrency.acquiring import Errand, Step, attend
from penstock.concurrency.claims import Request
from penstock.concurrency.line import Place
from penstock.concurrency.terms import Term
from penstock.engine.identity import CallKey
from penstock.errors import AcquireConcurrencySlotTimeoutError
from penstock.journal.chain import MemoryChain
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder
from penstock.testing import MovingTime, moving_time

KEY = CallKey("daily:0", "slots", "db", 0)
REQUEST = Request(names=("db",), slots=1, timeout_seconds=600, strict=False, held=True)


class Claim:
    """A place in the line of a limit, whose slot comes when the test says so."""

    place = Place(0, ())

    def __init__(self, *, is_answered: bool = True) -> None:
        self.is_answered = is_answered
        self.is_served = False
        self.has_left = False

    @property
    def waits_for(self) -> str | None:
        return "db" if self.is_answered else None

    def look(self) -> float | None:
        return None if self.is_served else 60.0

    def leave(self) -> None:
        self.has_left = True


class Launches:
    """Processes that wait one after the other, each with what the journal says."""

    def __init__(self, time: MovingTime) -> None:
        self.time = time
        self.chain = MemoryChain()
        self.count = 0

    def wait(self, claim: Claim, *, seconds: float = 0.0, epoch: str = "1") -> str:
        """Wait for so long in the next process; return what came of that."""
        self.count += 1
        holder = Holder(attempt=self.count, process=f"p{self.count}")
        term = Term(open_journal(self.chain, holder=holder), key=KEY, epoch=lambda: epoch)
        end = self.time.monotonic() + seconds
        steps = attend(claim, REQUEST, term)
        try:
            while True:
                step = next(steps)
                if isinstance(step, Errand):
                    step.run()
                    continue
                assert isinstance(step, Step)
                if self.time.monotonic() >= end:
                    return "waits" if step.until is None else f"waits until {step.until:%H:%M}"
                self.time.move(seconds=min(step.seconds, end - self.time.monotonic()))
        except StopIteration:
            return "has it"
        except AcquireConcurrencySlotTimeoutError:
            return "late"


@pytest.fixture
def launches() -> Iterator[Launches]:
    with moving_time(datetime(2026, 11, 21, 12, tzinfo=UTC)) as time:
        yield Launches(time)


def served() -> Claim:
    claim = Claim()
    claim.is_served = True
    return claim


def test_a_later_process_waits_no_longer_than_the_first_was_told_to(launches: Launches) -> None:
    first = launches.wait(Claim(), seconds=120)
    launches.time.move(seconds=300)

    assert first == "waits until 12:10"
    assert launches.wait(Claim()) == "waits until 12:10"
    assert launches.wait(Claim(), seconds=181) == "late"


def test_a_process_that_comes_after_the_deadline_asks_before_it_gives_up(
    launches: Launches,
) -> None:
    launches.wait(Claim())
    launches.time.move(seconds=700)
    asks = Claim(is_answered=False)

    before = launches.wait(asks, seconds=2)
    in_time = launches.wait(served())

    assert (before, in_time) == ("waits until 12:10", "has it")


def test_a_limit_that_does_not_answer_keeps_nobody_for_long(launches: Launches) -> None:
    assert launches.wait(Claim(is_answered=False), seconds=611) == "late"


def test_who_was_late_is_late_again_though_there_are_slots_by_now(launches: Launches) -> None:
    launches.wait(Claim(), seconds=601)

    assert launches.wait(served()) == "late"


def test_who_had_its_slot_in_time_is_never_late(launches: Launches) -> None:
    launches.wait(Claim())
    launches.wait(served())

    launches.time.move(seconds=3600)

    assert launches.wait(Claim(), seconds=3600) == "waits"
    assert launches.wait(served()) == "has it"


def test_a_wait_that_was_short_leaves_nothing_in_the_journal(launches: Launches) -> None:
    launches.wait(served())
    records = len(launches.chain.read())
    launches.time.move(seconds=3600)

    assert launches.wait(Claim(is_answered=False)) == "waits"
    assert (records, len(launches.chain.read())) == (1, 2)  # each is the fence of a process


def test_another_attempt_of_the_flow_has_all_the_time_again(launches: Launches) -> None:
    launches.wait(Claim(), seconds=601)

    assert launches.wait(Claim(), epoch="2") == "waits until 12:20"


def test_who_gives_up_leaves_the_line(launches: Launches) -> None:
    claim = Claim()

    launches.wait(claim, seconds=601)

    assert claim.has_left
