"""Stores that take no more records while the run goes on."""

from __future__ import annotations

from penstock import flow, task
from penstock.drivers.suspension import Problem
from penstock.errors import StoreUnusable
from penstock.execution import RunContext, execute
from penstock.journal.chain import MemoryChain
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder


class Closing(MemoryChain):
    """Refuses the fourth record and all that follow."""

    def put(self, number: int, record: bytes) -> None:
        if number >= 3:
            raise StoreUnusable("The volume is read-only.")
        super().put(number, record)


def test_a_store_that_takes_no_more_waits_for_a_person() -> None:
    """Where the process cannot be left, as here, the run ends."""
    begun: list[int] = []

    @task
    def step(number: int) -> int:
        begun.append(number)
        return number

    @flow
    def daily() -> None:
        for number in range(5):
            step(number)

    problems: list[Problem] = []
    context = RunContext("daily-1")
    context.on_problem = problems.append
    context.journal = open_journal(Closing(), holder=Holder(attempt=1, process="p"))

    outcome = execute(daily, parameters={}, context=context)

    told = Problem(reason="StoreUnusable", name="store", message="The volume is read-only.")
    assert problems[0] == told
    assert begun == [0, 1]
    assert outcome.reason == "JournalUnusable"
