"""What a journal in a store costs: a folder of this disk, and a bucket of a server beside us.

The server is moto's, one Python process: it tells what we add to a request, not what a cloud takes.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.figures import Figure
from tests.bench.results import rate_together, store_result
from tests.integration.stores.conftest import served

from penstock.journal.run_journal import RunJournal, open_journal
from penstock.journal.writing import Holder
from penstock.stores import Store, open_store
from penstock.stores.chain import StoreChain

SEQUENTIAL = 300


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
        store_result(journal, number)
        times.append((time.perf_counter() - began) * 1000)
    Figure(f"strict result in {name}, p50", statistics.median(times), "ms", strict).print()
    reached = rate_together(_opened(store, "together"))
    Figure(f"group commit in {name}", reached, "results/s", rate, better="more").print()
    began = time.perf_counter()
    _opened(store, "together", attempt=2)
    seconds = time.perf_counter() - began
    Figure(f"10,000 results read back from {name}", seconds, "s", 2).print()


def _opened(store: Store, run: str, *, attempt: int = 1) -> RunJournal:
    chain = StoreChain(store, folder=run)
    return open_journal(chain, holder=Holder(attempt=attempt, process="bench"))


if __name__ == "__main__":
    main()
