"""What a durable run costs on one machine: a task call with the SQLite journal, and a resume."""

import logging
import tempfile
import time
from pathlib import Path

from tests.bench.figures import Figure

from penstock import flow, task
from penstock.execution import RunContext, execute
from penstock.journal.run_journal import open_journal
from penstock.journal.sqlite import SqliteChain, connect
from penstock.journal.writing import Holder
from penstock.options import Durability

TASKS = 5000


@task
def load(number: int) -> str:
    return "x" * 250


@flow
def sequence(tasks: int) -> None:
    for number in range(tasks):
        load(number)
    raise RuntimeError("so that the run can be resumed")


def main() -> None:
    logging.getLogger("penstock").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        connection = connect(Path(folder) / "journal.db")
        for tasks in (500, TASKS, 10_000):
            began = time.perf_counter()
            _attempt(SqliteChain(connection, run=str(tasks)), attempt=1, tasks=tasks)
            seconds = time.perf_counter() - began
            if tasks == TASKS:
                microseconds = seconds / tasks * 1e6
                Figure("task call, SQLite journal", microseconds, "µs", 200).print()
                began = time.perf_counter()
                chain = SqliteChain(connection, run="pipelined")
                _attempt(chain, attempt=1, tasks=tasks, durability="pipelined")
                microseconds = (time.perf_counter() - began) / tasks * 1e6
                Figure("the same, pipelined", microseconds, "µs", 200).print()
            began = time.perf_counter()
            _attempt(SqliteChain(connection, run=str(tasks)), attempt=2, tasks=tasks)
            seconds = time.perf_counter() - began
            if tasks != TASKS:
                budget = 0.3 if tasks == 500 else 2.0
                Figure(f"resume with {tasks:,} finished tasks", seconds, "s", budget).print()
        connection.close()


def _attempt(
    chain: SqliteChain, *, attempt: int, tasks: int, durability: Durability = "strict"
) -> None:
    context = RunContext("bench")
    holder = Holder(attempt=attempt, process="bench")
    context.journal = open_journal(chain, holder=holder, anew=attempt > 1)
    flow = sequence.with_options(durability=durability)
    execute(flow, parameters={"tasks": tasks}, context=context)


if __name__ == "__main__":
    main()
