"""A task with ``at_most_once`` never begins twice in its run (G2, rule 22)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any

import pytest
from tests.unit.journal.runs import CutChain, PowerCut, Runs

from penstock import Flow, flow, task
from penstock.exceptions import TaskInterrupted


class Bank(Counter[str]):
    """Counts payments; the power may go in one of them."""

    power_goes_at: str = ""

    def pay(self, whom: str) -> str:
        """Pay once more."""
        self[whom] += 1
        if whom == self.power_goes_at:
            self.power_goes_at = ""
            raise PowerCut
        return f"paid {whom}"


@pytest.fixture
def bank() -> Bank:
    return Bank()


def test_what_was_interrupted_fails_and_is_not_run_again(bank: Bank) -> None:
    @task(at_most_once=True)
    def pay(whom: str) -> str:
        return bank.pay(whom)

    @flow
    def settle() -> str:
        pay("ada")
        try:
            return pay("bob")
        except TaskInterrupted as error:
            return str(error)

    runs = Runs(settle)
    bank.power_goes_at = "bob"
    runs.attempt()
    outcomes = [runs.attempt() for _ in range(2)]

    assert bank == {"ada": 1, "bob": 1}
    for outcome in outcomes:
        assert outcome.result.startswith("pay-1, or an equal call before it, began in this run")


def test_an_interrupted_call_whose_arguments_moved_is_not_made_again(bank: Bank) -> None:
    numbers = iter(range(10))

    @task(at_most_once=True)
    def pay(number: int) -> str:
        return bank.pay(f"bill {number}")

    @flow
    def settle() -> str:
        return pay(next(numbers))

    runs = Runs(settle)
    bank.power_goes_at = "bill 0"
    runs.attempt()
    outcome = runs.attempt()

    assert isinstance(outcome.state.data, TaskInterrupted)
    assert bank == {"bill 0": 1}


def test_of_a_map_those_fail_that_had_begun(bank: Bank) -> None:
    @task(at_most_once=True)
    def pay(whom: str) -> str:
        return bank.pay(whom)

    @flow
    def settle() -> list[Any]:
        futures = pay.map(["ada", "bob", "cy"])
        found = [type(future.result(raise_on_failure=False)).__name__ for future in futures]
        if "CrashedRun" in found:
            raise PowerCut
        return found

    class OneAtATime:
        max_workers = 1

        def open(self) -> None:
            """Have threads run the bodies."""

    runs = Runs(settle.with_options(task_runner=OneAtATime()))
    bank.power_goes_at = "bob"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == ["str", "TaskInterrupted", "str"]
    assert bank == {"ada": 1, "bob": 1, "cy": 1}


def test_a_failure_is_final_for_the_run(bank: Bank) -> None:
    """No retry of the flow, and no run that goes on from the failure, pays once more."""

    @task(at_most_once=True)
    def pay() -> None:
        bank.pay("ada")
        raise ConnectionError("no answer")

    @flow(retries=2)
    def settle() -> None:
        pay()

    runs = Runs(settle)
    outcomes = [runs.attempt(), runs.attempt(anew=True)]

    assert [str(outcome.state.data) for outcome in outcomes] == ["no answer", "no answer"]
    assert bank == {"ada": 1}


def test_it_begins_once_without_a_journal_too(bank: Bank) -> None:
    @task(at_most_once=True)
    def pay() -> None:
        bank.pay("ada")
        raise ConnectionError("no answer")

    @flow(retries=2)
    def settle() -> None:
        pay()

    with pytest.raises(ConnectionError):
        settle()

    assert bank == {"ada": 1}


def test_what_was_rolled_back_is_not_done_again(bank: Bank) -> None:
    @task(at_most_once=True)
    def pay() -> str:
        return bank.pay("ada")

    @pay.on_rollback
    def refund(_transaction: object) -> None:
        bank["refunds"] += 1

    @task
    def ship() -> None:
        pay()
        raise LookupError("no such street")

    @flow(retries=1)
    def order() -> None:
        ship()

    outcome = Runs(order).attempt()

    assert isinstance(outcome.state.data, TaskInterrupted)
    assert bank == {"ada": 1, "refunds": 1}


def test_a_result_that_cannot_be_stored_is_lost_with_its_process(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    @task(at_most_once=True)
    def connect() -> Any:
        bank.pay("ada")
        return (letter for letter in "abc")

    @flow
    def session() -> str:
        connection = connect()
        bank.pay("session")
        return "".join(connection)

    runs = Runs(session)
    bank.power_goes_at = "session"
    runs.attempt()
    outcome = runs.attempt()

    assert isinstance(outcome.state.data, TaskInterrupted)
    assert bank["ada"] == 1
    assert "connect-0 will fail if the run is resumed" in caplog.text


def test_it_is_stored_even_where_the_flow_keeps_nothing(bank: Bank) -> None:
    @task(at_most_once=True)
    def pay() -> str:
        return bank.pay("ada")

    @flow(persist_result=False)
    def settle() -> str:
        paid = pay()
        bank.pay("body")
        return paid

    runs = Runs(settle)
    bank.power_goes_at = "body"
    runs.attempt()
    outcome = runs.attempt()

    assert outcome.result == "paid ada"
    assert bank["ada"] == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"retries": 1}, "has no retries"), ({"persist_result": False}, "leave persist_result=False")],
)
def test_what_contradicts_it_is_refused_where_the_task_is_defined(
    options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):

        @task(at_most_once=True, **options)
        def pay() -> None:
            """Pay."""


def one_after_the_other(bank: Bank) -> Flow[..., Any]:
    @task(at_most_once=True)
    def pay(whom: str) -> str:
        return bank.pay(whom)

    @flow
    def settle() -> list[str]:
        results = []
        for whom in ("ada", "bob"):
            with contextlib.suppress(TaskInterrupted):
                results.append(pay(whom))
        return results

    return settle


def submitted(bank: Bank) -> Flow[..., Any]:
    @task(at_most_once=True)
    def pay(whom: str) -> str:
        return bank.pay(whom)

    @flow
    def settle() -> list[str]:
        futures = pay.map(["ada", "bob"])
        found = [future.result(raise_on_failure=False) for future in futures]
        return [each for each in found if isinstance(each, str)]

    return settle


def awaited(bank: Bank) -> Flow[..., Any]:
    @task(at_most_once=True)
    async def pay(whom: str) -> str:
        await asyncio.sleep(0)
        return bank.pay(whom)

    @flow
    async def settle() -> list[str]:
        found = await asyncio.gather(pay("ada"), pay("bob"), return_exceptions=True)
        return [each for each in found if isinstance(each, str)]

    return settle


@pytest.mark.parametrize("stored", [False, True], ids=["before it is stored", "after"])
@pytest.mark.parametrize("cut_at", range(1, 8))
@pytest.mark.parametrize("make", [one_after_the_other, submitted, awaited])
def test_the_power_may_go_at_any_record(make: Any, cut_at: int, *, stored: bool) -> None:
    """Nobody is paid twice, and whoever is said to be paid was."""
    bank = Bank()
    chain = CutChain(cut_at=cut_at, stored=stored)
    runs = Runs(make(bank), chain=chain)
    with contextlib.suppress(PowerCut):
        runs.attempt()
    runs.chain = chain.restored()
    outcome = runs.attempt()

    assert outcome.state.is_completed(), outcome.state
    assert max(bank.values(), default=1) == 1
    assert {f"paid {whom}" for whom in bank} >= set(outcome.result)
