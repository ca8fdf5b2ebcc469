"""How much memory the finished tasks of a durable run keep in its runner: now, and read back.

One after the other on SQLite, pipelined, so that the store takes no time; results of 250 bytes.
"""

import logging
import tempfile
from pathlib import Path

from tests.bench.bench_journal import sequence
from tests.bench.figures import Figure

from penstock.execution import RunContext, execute
from penstock.journal.run_journal import open_journal
from penstock.journal.sqlite import SqliteChain, connect
from penstock.journal.writing import Holder

WARM = 10_000
TASKS = 100_000


def main() -> None:
    logging.getLogger("penstock").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        _attempt(path, run="warm", attempt=1, tasks=WARM)
        before = _resident()
        first = _attempt(path, run="large", attempt=1, tasks=TASKS)
        launched = _resident()
        Figure("memory that a run of 100,000 tasks added", launched - before, "MiB", 60).print()
        del first
        second = _attempt(path, run="large", attempt=2, tasks=TASKS)
        Figure("the same, taken up again", _resident() - before, "MiB", 250).print()
        del second


def _attempt(path: Path, *, run: str, attempt: int, tasks: int) -> RunContext:
    connection = connect(path)
    context = RunContext("bench")
    holder = Holder(attempt=attempt, process="bench")
    context.journal = open_journal(
        SqliteChain(connection, run=run), holder=holder, anew=attempt > 1
    )
    flow = sequence.with_options(durability="pipelined")
    execute(flow, parameters={"tasks": tasks}, context=context)
    connection.close()
    return context


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    main()
