"""Results that benchmarks of journals store: one after the other, and from many threads at once."""

from __future__ import annotations

import threading
import time

from penstock.engine.identity import CallKey
from penstock.journal.run_journal import RunJournal
from penstock.states import State, StateType

THREADS = 32
TOGETHER = 10_000
RESULT = "x" * 250


def store_result(journal: RunJournal, number: int) -> None:
    """Store the result of one of many calls."""
    key = CallKey("daily", identity="load(load)", digest=f"{number:032x}", occurrence=0)
    journal.record(key, state=State(StateType.COMPLETED, data=RESULT), epoch=lambda: "0")


def rate_together(journal: RunJournal) -> float:
    """Store 10,000 results from 32 threads; return how many a second were stored."""
    numbers = iter(range(TOGETHER))

    def work() -> None:
        for number in numbers:
            store_result(journal, number)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return TOGETHER / (time.perf_counter() - began)
