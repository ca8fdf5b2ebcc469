"""A run that was broken off goes on from what it had finished (G1, G2)."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from tests.unit.journal.runs import CutChain, PowerCut, Runs

from penstock import flow, task
from penstock.errors import JournalFenced
from penstock.journal.chain import MemoryChain
from penstock.journal.run_journal import open_journal


class Ledger(Counter[str]):
    """Counts what tasks did to the world; the power may go in one of them."""

    power_goes_in: str = ""

    def note(self, what: str) -> None:
        """Count one deed."""
        self[what] += 1
        if what == self.power_goes_in:
            self.power_goes_in = ""
            raise PowerCut


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_what_finished_does_not_run_again(ledger: Ledger) -> None:
    @task
    def square(x: int) -> int:
        ledger.note(f"square {x}")
        return x * x

    @flow
    def squares() -> int:
        return sum(square(x) for x in range(4))

    runs = Runs(squares)
    ledger.power_goes_in = "square 2"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == 14
    assert ledger == {"square 0": 1, "square 1": 1, "square 2": 2, "square 3": 1}


def test_a_run_that_completed_gives_its_result_again(ledger: Ledger) -> None:
    @flow
    def greeting(name: str) -> str:
        ledger.note("greeting")
        return f"Hello, {name}!"

    runs = Runs(greeting)
    runs.attempt(name="Ada")
    outcome = runs.attempt()

    assert outcome.result == "Hello, Ada!"
    assert ledger == {"greeting": 1}


def test_parameters_are_those_that_the_run_began_with(ledger: Ledger) -> None:
    """Defaults included: ``day: date = date.today()`` must not move."""
    numbers = count(1)

    @flow
    def numbered(given: int, number: int | None = None) -> tuple[int, int | None]:
        ledger.note("numbered")
        return given, number

    runs = Runs(numbered)
    ledger.power_goes_in = "numbered"
    runs.attempt(given="7", number=next(numbers))
    outcome = runs.attempt(given="8", number=next(numbers))

    assert outcome.result == (7, 1)


def test_a_finished_sub_flow_is_not_entered_again(ledger: Ledger) -> None:
    @task
    def step(name: str) -> str:
        ledger.note(f"step {name}")
        return name

    @flow
    def inner() -> str:
        ledger.note("inner")
        return step("a") + step("b")

    @flow
    def outer() -> str:
        first = inner()
        return first + step("c")

    runs = Runs(outer)
    ledger.power_goes_in = "step c"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == "abc"
    assert ledger == {"inner": 1, "step a": 1, "step b": 1, "step c": 2}


def test_a_sub_flow_that_was_broken_off_keeps_what_it_finished(ledger: Ledger) -> None:
    @task
    def step(name: str) -> str:
        ledger.note(name)
        return name

    @flow
    def inner(prefix: str) -> str:
        return step(f"{prefix}1") + step(f"{prefix}2")

    @flow
    def outer() -> str:
        return inner("a") + inner("b")

    runs = Runs(outer)
    ledger.power_goes_in = "b2"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == "a1a2b1b2"
    assert ledger == {"a1": 1, "a2": 1, "b1": 1, "b2": 2}


def test_mapped_and_submitted_tasks_are_found_whatever_order_they_ended_in(ledger: Ledger) -> None:
    @task
    def double(x: int) -> int:
        ledger.note(f"double {x}")
        return 2 * x

    @task
    def total(numbers: list[int]) -> int:
        ledger.note("total")
        return sum(numbers)

    @flow
    def sums() -> int:
        return total.submit(double.map([3, 1, 3, 2])).result()

    runs = Runs(sums)
    ledger.power_goes_in = "total"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == 18
    assert ledger == {"double 1": 1, "double 2": 1, "double 3": 2, "total": 2}


def test_equal_calls_are_told_apart_by_their_number(ledger: Ledger) -> None:
    numbers = count(1)

    @task
    def draw() -> int:
        ledger.note("draw")
        return next(numbers)

    @flow
    def three() -> list[int]:
        drawn = [draw(), draw()]
        ledger.note("body")
        return [*drawn, draw()]

    runs = Runs(three)
    ledger.power_goes_in = "body"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == [1, 2, 3]


def test_children_of_a_task_that_was_broken_off_are_kept(ledger: Ledger) -> None:
    @task
    def child(x: int) -> int:
        ledger.note(f"child {x}")
        return x

    @task
    def parent() -> int:
        found = child(1) + child(2)
        ledger.note("parent")
        return found

    @flow
    def family() -> int:
        return parent()

    runs = Runs(family)
    ledger.power_goes_in = "parent"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == 3
    assert ledger == {"child 1": 1, "child 2": 1, "parent": 2}


def test_async_flows_resume_alike(ledger: Ledger) -> None:
    @task
    async def fetch(x: int) -> int:
        await asyncio.sleep(0)
        ledger.note(f"fetch {x}")
        return x

    @flow
    async def gathered() -> int:
        numbers = await asyncio.gather(*(fetch(x) for x in range(3)))
        return sum(numbers) + await fetch(9)

    runs = Runs(gathered)
    ledger.power_goes_in = "fetch 9"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == 12
    assert ledger == {"fetch 0": 1, "fetch 1": 1, "fetch 2": 1, "fetch 9": 2}


def test_a_generator_that_was_exhausted_is_one_result(ledger: Ledger) -> None:
    @task
    def items() -> Iterator[int]:
        for item in range(3):
            ledger.note("item")
            yield item

    @flow
    def listed() -> list[int]:
        found = list(items())
        ledger.note("listed")
        return found

    runs = Runs(listed)
    ledger.power_goes_in = "listed"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == [0, 1, 2]
    assert ledger["item"] == 3


def test_a_failure_that_was_final_is_raised_again_without_the_body(ledger: Ledger) -> None:
    @task
    def broken() -> None:
        ledger.note("broken")
        raise LookupError("no such page")

    @flow
    def careful() -> str:
        try:
            broken()
        except LookupError as error:
            ledger.note("caught")
            return str(error)
        return "found"

    runs = Runs(careful)
    ledger.power_goes_in = "caught"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == "no such page"
    assert ledger == {"broken": 1, "caught": 2}


def test_a_failed_run_that_is_taken_up_tries_its_failures_again(ledger: Ledger) -> None:
    """What finished stays finished; what failed had its day in another epoch."""

    @task
    def good() -> str:
        ledger.note("good")
        return "good"

    @task
    def flaky() -> str:
        ledger.note("flaky")
        if ledger["flaky"] == 1:
            raise ConnectionError("not now")
        return "then"

    @flow
    def both() -> str:
        return good() + flaky()

    runs = Runs(both)
    failed = runs.attempt()
    outcome = runs.attempt(anew=True)

    assert failed.state.is_failed()
    assert outcome.result == "goodthen"
    assert ledger == {"good": 1, "flaky": 2}


def test_a_flow_retry_tries_failures_again_and_so_does_its_resumption(ledger: Ledger) -> None:
    @task
    def flaky() -> int:
        ledger.note("flaky")
        if ledger["flaky"] < 3:
            raise ConnectionError("not now")
        return ledger["flaky"]

    @flow(retries=3)
    def stubborn() -> int:
        ledger.note("attempt")
        return flaky()

    runs = Runs(stubborn)
    outcome = runs.attempt()

    assert outcome.result == 3
    assert ledger == {"flaky": 3, "attempt": 3}


def test_retries_that_were_used_stay_used(ledger: Ledger) -> None:
    @task(retries=3)
    def hopeless() -> None:
        ledger.note(f"attempt {ledger.total() + 1}")
        raise ConnectionError("not now")

    @flow
    def hoping() -> None:
        hopeless()

    runs = Runs(hoping)
    ledger.power_goes_in = "attempt 3"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.state.is_failed()
    assert ledger.total() == 3 + 2  # the third was broken off, so it counts as not begun


def test_a_result_is_found_as_it_was_returned(ledger: Ledger) -> None:
    @task
    def basket() -> list[str]:
        return ["apple"]

    @flow(retries=1)
    def shopping() -> list[str]:
        fruits = basket()
        fruits.append("pear")
        ledger.note("bought")
        if ledger["bought"] == 1:
            raise ConnectionError("the card was refused")
        return fruits

    outcome = Runs(shopping).attempt()

    assert outcome.result == ["apple", "pear"]


def test_values_come_back_as_they_were_stored_on_the_first_run_too() -> None:
    """Else a flow would meet another object after a crash than before it."""
    given = [1, (2, 3), {"a": {4}}]

    @task
    def same() -> list[Any]:
        return given

    @flow
    def compared() -> tuple[bool, bool]:
        found = same()
        return found == given, found is given

    outcome = Runs(compared).attempt()

    assert outcome.result == (True, False)


def test_what_cannot_be_stored_is_passed_on_and_said(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    @task
    def connect() -> Any:
        ledger.note("connect")
        return (letter for letter in "connected")

    @flow
    def session() -> str:
        connection = connect()
        ledger.note("session")
        return "".join(connection)

    runs = Runs(session)
    ledger.power_goes_in = "session"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == "connected"
    assert ledger["connect"] == 2
    assert "connect-0 will run again if the run is resumed" in caplog.text


def test_an_attempt_that_was_overtaken_stops() -> None:
    """It may not write, whatever it still does: the next one does not see it (G3)."""
    fenced: list[str] = []

    @task
    def step(x: int) -> int:
        if x == 1:
            open_journal(chain, holder=runs.next_holder())
        return x

    @flow
    def steps() -> None:
        for x in range(3):
            step(x)

    chain = MemoryChain()
    runs = Runs(steps, chain=chain)
    outcome = runs.attempt()
    fenced.append(type(outcome.state.data).__name__)

    assert outcome.state.is_crashed()
    assert fenced == [JournalFenced.__name__]
    assert sum(b"done" in record for record in chain.read()) == 1


def test_the_first_process_of_an_attempt_is_the_attempt() -> None:
    @flow
    def nothing() -> None:
        """Do nothing."""

    runs = Runs(nothing)
    runs.attempt()
    runs.attempts -= 1
    twin = runs.next_holder()
    impostor = type(twin)(attempt=twin.attempt, process="another pod")

    with pytest.raises(JournalFenced, match="process 1, has taken the journal over"):
        open_journal(runs.chain, holder=impostor)


@pytest.mark.parametrize("stored", [False, True], ids=["before it is stored", "after"])
@pytest.mark.parametrize("cut_at", range(1, 14))
def test_the_power_may_go_at_any_record(cut_at: int, *, stored: bool) -> None:
    """What was acknowledged is not done again (G1), and the result is the same."""
    ledger = Ledger()

    @task
    def step(name: str) -> str:
        ledger.note(name)
        return name

    @task(retries=1)
    def flaky() -> str:
        ledger.note("flaky")
        if ledger["flaky"] == 1:
            raise ConnectionError("not now")
        return "x"

    @task
    def parent() -> str:
        return step("p1") + step("p2")

    @flow
    def inner() -> str:
        return step("i1") + flaky()

    @flow
    def reference() -> str:
        mapped = "".join(step.map(["m1", "m2"]).result())
        return mapped + inner() + parent() + step("end")

    chain = CutChain(cut_at=cut_at, stored=stored)
    runs = Runs(reference, chain=chain)
    with contextlib.suppress(PowerCut):  # it may go with the fence
        runs.attempt()
    before, acknowledged = Counter(ledger), set(runs.acknowledged)
    runs.chain = chain.restored()
    outcome = runs.attempt()

    again = {repr(deed) for deed in ledger if before[deed] and ledger[deed] > before[deed]}
    assert chain.was_cut
    assert outcome.result == "m1m2i1xp1p2end"
    assert not again & acknowledged
