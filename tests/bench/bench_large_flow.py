"""What flows of 10,000 and 100,000 mapped tasks take: time, memory, reports, objects.

The runner is the real one and writes its journal to a real API server with a pod's token.
"""

import tempfile
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.stage import api_server, namespace
from tests.integration import charts
from tests.integration.forgery import admit_runners
from tests.integration.journals import create_journal
from tests.integration.large import run_large

BUDGETS = {10_000: (30, 40), 100_000: (300, 100)}
"""Seconds, and objects at the end."""


def main() -> None:
    with (
        api_server() as server,
        charts.rights(server) as release,
        namespace(server, "bench-large") as world,
        tempfile.TemporaryDirectory() as folder,
    ):
        admit_runners(server, world.namespace, release=release)
        for count, (seconds, objects) in BUDGETS.items():
            name = f"large-{count}"
            journal = create_journal(server, world.namespace, name, Path(folder) / name)
            journal.wait_until_in_force()
            cost = run_large(journal, count=count)
            done = cost.execution["counts"]
            assert sum(done.values()) == count, done
            assert not cost.unstored, cost.unstored
            of = f"of {count:,} mapped tasks in the cluster"
            Figure(f"time {of}", cost.seconds, "s", seconds).print()
            Figure(f"runner's memory {of}", cost.peak_mib, "MiB", 150 + count / 200).print()
            Figure(f"largest report {of}", cost.report_bytes / 1024, "KiB", 32).print()
            Figure(f"reports a second {of}", cost.reports_a_second, "", 1).print()
            Figure(f"journal objects at the end {of}", cost.objects, "", objects).print()
            Figure(f"journal {of}", cost.journal_bytes / 1e6, "MB", 16).print()
            journal.close()


if __name__ == "__main__":
    main()
