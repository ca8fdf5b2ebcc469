"""What a journal in the cluster costs: the time of a put, and the bytes that etcd writes.

The journal is written with a pod's token, against an API server alone. etcd's bytes are read where
its metrics can be reached: beside a development cluster, as root.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.results import rate_together, store_result
from tests.bench.stage import NAME, api_server, namespace
from tests.integration import charts
from tests.integration.forgery import admit_runners
from tests.integration.journals import Journal, create_journal
from tests.integration.world import World

from penstock.journal.run_journal import RunJournal, open_journal
from penstock.journal.writing import Holder
from penstock.runner.segments import SegmentChain

SEQUENTIAL = 1000
READ_METRICS = (
    "import urllib.request as r; print(r.urlopen('http://127.0.0.1:2379/metrics').read().decode())"
)


def main() -> None:
    with (
        api_server() as server,
        charts.rights(server) as release,
        namespace(server, "bench-journal") as world,
        tempfile.TemporaryDirectory() as folder,
    ):
        admit_runners(server, world.namespace, release=release)
        _one_after_the_other(_journal(world, "sequence", folder))
        _running_ahead(_journal(world, "ahead", folder))
        _many_at_once(_journal(world, "together", folder))


def _one_after_the_other(journal: Journal) -> None:
    chain = journal.chain()
    written_before = _etcd_bytes()
    run = _opened(chain)
    times = []
    for number in range(SEQUENTIAL):
        began = time.perf_counter()
        store_result(run, number)
        times.append((time.perf_counter() - began) * 1000)
    assert chain.finish(within=60)
    chain.close()
    Figure("strict result in the cluster, p50", statistics.median(times), "ms", 5).print()
    Figure("the same, p99", sorted(times)[-SEQUENTIAL // 100], "ms", 50).print()
    Figure("1,000 strict results, all stored", sum(times) / 1000, "s", 10).print()
    if written_before is not None and (written := _etcd_bytes()) is not None:
        megabytes = (written - written_before) / 1e6
        Figure("etcd writes for 1,000 sequential results", megabytes, "MB", 3).print()


def _running_ahead(journal: Journal) -> None:
    chain = journal.chain()
    run = _opened(chain)
    run.run_ahead()
    times = []
    began = time.perf_counter()
    for number in range(SEQUENTIAL):
        before = time.perf_counter()
        store_result(run, number)
        times.append((time.perf_counter() - before) * 1000)
    run.flush()
    seconds = time.perf_counter() - began
    assert chain.finish(within=60)
    chain.close()
    Figure("pipelined result in the cluster, p50", statistics.median(times), "ms", 1).print()
    Figure("1,000 pipelined results, all stored", seconds, "s", 1).print()


def _many_at_once(journal: Journal) -> None:
    chain = journal.chain()
    run = _opened(chain)
    rate = rate_together(run)
    assert chain.finish(within=60)
    chain.close()
    Figure("group commit, 32 threads", rate, "results/s", 2000, better="more").print()
    Figure("objects of 10,000 results", len(journal.objects), "", 40).print()
    reader = journal.chain(attempt=2)
    began = time.perf_counter()
    open_journal(reader, holder=Holder(attempt=2, process="second"))
    Figure("10,000 results read back", time.perf_counter() - began, "s", 2).print()
    reader.close()


def _opened(chain: SegmentChain) -> RunJournal:
    return open_journal(chain, holder=Holder(attempt=1, process=uuid.uuid4().hex))


def _journal(world: World, name: str, folder: str) -> Journal:
    journal = create_journal(world.api, world.namespace, name, Path(folder) / name)
    journal.wait_until_in_force()
    return journal


def _etcd_bytes() -> float | None:
    """Return what etcd has written to its log; None where that cannot be known."""
    found = subprocess.run(
        ("pgrep", "-f", f"etcd --data-dir=.*/{NAME}/"), capture_output=True, text=True, check=False
    )
    if not found.stdout:
        return None
    done = subprocess.run(
        ("nsenter", "-t", found.stdout.split()[0], "-n", sys.executable, "-c", READ_METRICS),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("etcd_disk_wal_write_bytes_total "))
    return float(line.rpartition(" ")[2])


if __name__ == "__main__":
    main()
