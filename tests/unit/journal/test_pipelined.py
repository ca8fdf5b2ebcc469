"""``durability="pipelined"``: the run goes on, its results follow within a window (rule 30)."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter

import pytest
from tests.unit.journal.runs import CutChain, PowerCut, Runs

from penstock import flow, sleep, task, transaction
from penstock.errors import JournalError, JournalFenced
from penstock.journal.behind import Behind
from penstock.journal.chain import MemoryChain
from penstock.journal.commits import Commits
from penstock.journal.run_journal import open_journal


class HeldChain(MemoryChain):
    """A chain whose store does not answer before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_store = threading.Event()
        self.may_store.set()
        self.refusal: Exception | None = None

    def put(self, number: int, record: bytes) -> None:
        """Store a record once that is allowed."""
        assert self.may_store.wait(60)
        if self.refusal is not None:
            raise self.refusal
        super().put(number, record)

    def holds(self, text: bytes) -> bool:
        """Tell whether a record has this text."""
        return any(text in record for record in self.read())


@task
def step(x: int) -> int:
    return x


def test_the_flow_goes_on_before_its_results_are_stored() -> None:
    chain, stored_meanwhile = HeldChain(), []

    @flow(durability="pipelined")
    def steps() -> int:
        chain.may_store.clear()
        total = sum(step(x) for x in range(5))
        stored_meanwhile.append(chain.holds(b"done"))
        chain.may_store.set()
        return total

    runs = Runs(steps, chain=chain)
    outcome = runs.attempt()
    runs.attempts += 1

    assert outcome.result == 10
    assert stored_meanwhile == [False]
    assert sum(record.count(b"\ndone ") for record in chain.read()) == 6


def test_who_is_told_the_outcome_finds_everything_stored() -> None:
    """A failed flow leaves no entry of its own, which would come after all others."""
    chain = HeldChain()

    @flow(durability="pipelined")
    def steps() -> None:
        chain.may_store.clear()
        step(1)
        threading.Timer(0.01, chain.may_store.set).start()
        raise SystemExit

    Runs(steps, chain=chain).attempt()

    assert chain.holds(b"done")


def test_before_a_task_begins_that_does_so_once_everything_is_stored() -> None:
    chain, stored = HeldChain(), []

    @task(at_most_once=True)
    def pay() -> None:
        stored.append((chain.holds(b"done"), chain.holds(b"start")))

    @flow(durability="pipelined")
    def steps() -> None:
        step(1)
        pay()

    Runs(steps, chain=chain).attempt()

    assert stored == [(True, True)]


def test_before_a_failed_attempt_is_followed_by_another_it_is_stored() -> None:
    chain, stored = HeldChain(), []

    @task(retries=1)
    def shaky() -> None:
        if stored:
            stored.append(chain.holds(b"retry"))
            return
        stored.append(False)
        chain.may_store.clear()
        threading.Timer(0.01, chain.may_store.set).start()
        raise OSError

    @flow(durability="pipelined")
    def steps() -> None:
        step(1)
        shaky()

    Runs(steps, chain=chain).attempt()

    assert stored == [False, True]


def test_before_a_wait_and_a_commit_everything_is_stored() -> None:
    chain, stored = HeldChain(), []

    def look(_: object) -> None:
        stored.append(chain.holds(b'"json":2}'))

    @flow(durability="pipelined")
    def steps() -> None:
        step(1)
        sleep(0)
        stored.append(chain.holds(b'"json":1}'))
        with transaction():
            step.with_options(on_commit=[look])(2)

    Runs(steps, chain=chain).attempt()

    assert stored == [True, True]


def test_a_store_that_fails_ends_the_run() -> None:
    chain = HeldChain()
    went_on: list[int] = []

    @flow(durability="pipelined")
    def steps() -> None:
        chain.refusal = OSError("disk full")
        for x in range(100_000):
            step(x)
            went_on.append(x)

    outcome = Runs(steps, chain=chain).attempt()

    assert outcome.state.is_crashed()
    assert isinstance(outcome.state.data, JournalError)
    assert "disk full" in outcome.message


def test_an_attempt_that_was_overtaken_stops() -> None:
    @flow(durability="pipelined")
    def steps() -> None:
        step(1)
        runs.acknowledged.clear()
        open_journal(runs.chain, holder=runs.next_holder())
        for x in range(100_000):
            step(x)

    runs = Runs(steps)
    outcome = runs.attempt()

    assert isinstance(outcome.state.data, JournalFenced)


def test_a_full_window_holds_the_run_up() -> None:
    may_write, written = threading.Event(), list[str]()

    def write(lines: list[str]) -> None:
        may_write.wait(60)
        written.extend(lines)

    behind = Behind(Commits(write), entries=3)
    went_on = threading.Event()

    def work() -> None:
        for number in range(4):
            behind.add([str(number)])
        went_on.set()

    worker = threading.Thread(target=work)
    worker.start()
    held_up = not went_on.wait(0.05)
    may_write.set()
    worker.join(60)
    behind.flush()

    assert held_up
    assert written == ["0", "1", "2", "3"]


@pytest.mark.parametrize("stored", [False, True], ids=["before it is stored", "after"])
@pytest.mark.parametrize("cut_at", range(1, 9))
def test_the_power_may_go_at_any_record(cut_at: int, *, stored: bool) -> None:
    """What was stored is not done again, and the result is the same."""
    ledger: Counter[str] = Counter()

    @task
    def note(name: str) -> str:
        ledger[name] += 1
        return name

    @task(at_most_once=True)
    def pay() -> str:
        ledger["pay"] += 1
        return "p"

    @flow
    def inner() -> str:
        return note("i1") + note("i2")

    @flow(durability="pipelined")
    def reference() -> str:
        mapped = "".join(note.map(["m1", "m2"]).result())
        sleep(0)
        try:
            paid = pay()
        except Exception:
            paid = "p"
        return mapped + paid + inner() + note("end")

    chain = CutChain(cut_at=cut_at, stored=stored)
    runs = Runs(reference, chain=chain)
    with contextlib.suppress(PowerCut):
        runs.attempt()
    before, kept = Counter(ledger), b"".join(chain.read())
    runs.chain = chain.restored()
    outcome = runs.attempt()

    again = {deed for deed in ledger if before[deed] and ledger[deed] > before[deed]}
    assert outcome.result == "m1m2pi1i2end"
    assert [deed for deed in again if f'"json":"{deed}"'.encode() in kept] == []
    assert ledger["pay"] <= 1


def test_other_words_are_refused() -> None:
    with pytest.raises(TypeError, match='durability of @flow is "strict" or "pipelined", not'):
        flow(durability="fast")(step.fn)  # type: ignore[call-overload]
