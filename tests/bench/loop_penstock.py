"""What ``loop_dbos`` does, in Penstock: the same steps, the same death, the same figures."""

import json
import logging
import os
import sys
import time
from pathlib import Path

from penstock import flow, task
from penstock.execution import RunContext, execute
from penstock.journal.run_journal import open_journal
from penstock.journal.sqlite import SqliteChain, connect
from penstock.journal.writing import Holder

FILE, STEPS, PHASE = sys.argv[1], int(sys.argv[2]), sys.argv[3]
began = 0.0


@task
def load(number: int) -> str:
    return "x" * 250


@task
def last(steps: int) -> str:
    seconds = time.perf_counter() - began
    if PHASE == "kill":
        print(json.dumps({"seconds_per_call": seconds / steps}), flush=True)
        os._exit(0)
    print(json.dumps({"seconds_to_resume": seconds}), flush=True)
    return "done"


@flow
def sequence(steps: int) -> None:
    global began
    if PHASE == "kill":
        began = time.perf_counter()
    for number in range(steps):
        load(number)
    last(steps)


def main() -> None:
    global began
    logging.getLogger("penstock").setLevel(logging.CRITICAL)
    began = time.perf_counter()
    holder = Holder(attempt=1 if PHASE == "kill" else 2, process="bench")
    context = RunContext("bench")
    chain = SqliteChain(connect(Path(FILE)), run=f"steps-{STEPS}")
    context.journal = open_journal(chain, holder=holder)
    execute(sequence, parameters={"steps": STEPS}, context=context)


if __name__ == "__main__":
    main()
