"""What a journal in a store costs: a folder of this disk, and a bucket of a server beside us.

The server is moto's, one Python process: it tells what we add to a request, not what a cloud takes.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.figures import Figure
from tests.integration.stores.conftest import served

from penstock.engine.identity import CallKey
from penstock.journal.run_journal import RunJournal, open_journal
from penstock.journal.writing import Holder
from penstock.states import State, StateType
from penstock.stores import Store, open_store
from penstock.stores.chain import StoreChain

SEQUENTIAL = 300
THREADS = 32
TOGETHER = 10_000
RESULT = "x" * 250


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _measure(open_store(folder), name="a folder", strict=20, rate=1000)
    with _bucket() as store:
        _measure(store, name="a bucket", strict=100, rate=500)


@contextmanager
def _bucket() -> Iterator[Store]:
    with served() as server:
        os.environ.update(server.environ)
        yield open_store("s3://bucket/bench")


def _measure(store: Store, *, name: str, strict: float, rate: float) -> None:
    journal = _opened(store, "sequence")
    times = []
    for number in range(SEQUENTIAL):
        began = time.perf_counter()
        _record(journal, number)
        times.append((time.perf_counter() - began) * 1000)
    Figure(f"strict result in {name}, p50", statistics.median(times), "ms", strict).print()
    reached = _together(_opened(store, "together"))
    Figure(f"group commit in {name}", reached, "results/s", rate, better="more").print()
    began = time.perf_counter()
    _opened(store, "together", attempt=2)
    seconds = time.perf_counter() - began
    Figure(f"10,000 results read back from {name}", seconds, "s", 2).print()


def _together(journal: RunJournal) -> float:
    numbers = iter(range(TOGETHER))

    def work() -> None:
        for number in numbers:
            _record(journal, number)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return TOGETHER / (time.perf_counter() - began)


def _opened(store: Store, run: str, *, attempt: int = 1) -> RunJournal:
    chain = StoreChain(store, folder=run)
    return open_journal(chain, holder=Holder(attempt=attempt, process="bench"))


def _record(journal: RunJournal, number: int) -> None:
    key = CallKey("daily", identity="load(load)", digest=f"{number:032x}", occurrence=0)
    journal.record(key, state=State(StateType.COMPLETED, data=RESULT), epoch=lambda: "0")


if __name__ == "__main__":
    main()
