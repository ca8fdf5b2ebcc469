"""The loop of ``bench_journal`` in DBOS; run by ``bench_dbos`` with DBOS's own interpreter.

``loop_dbos.py FILE STEPS kill`` runs so many steps, prints how long each took, and dies before the
last. ``loop_dbos.py FILE STEPS resume`` recovers that workflow and prints how long it was until
that last step, counted from the launch.
"""

import json
import os
import sys
import time

import sqlalchemy
from dbos import DBOS, SetWorkflowID
from sqlalchemy import event

FILE, STEPS, PHASE = sys.argv[1], int(sys.argv[2]), sys.argv[3]
WORKFLOW = f"steps-{STEPS}"
began = 0.0


@event.listens_for(sqlalchemy.Engine, "connect")
def _as_ours(connection, _record):
    """Write as Penstock's journal does: DBOS leaves SQLite's slower defaults."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


@DBOS.step()
def load(number: int) -> str:
    return "x" * 250


@DBOS.step()
def last(steps: int) -> str:
    seconds = time.perf_counter() - began
    if PHASE == "kill":
        print(json.dumps({"seconds_per_call": seconds / steps}), flush=True)
        os._exit(0)
    print(json.dumps({"seconds_to_resume": seconds}), flush=True)
    return "done"


@DBOS.workflow()
def sequence(steps: int) -> None:
    global began
    if PHASE == "kill":
        began = time.perf_counter()
    for number in range(steps):
        load(number)
    last(steps)


def main() -> None:
    global began
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{FILE}",
            "log_level": "ERROR",
            "executor_id": "bench",
            "application_version": "1",
        }
    )
    began = time.perf_counter()
    DBOS.launch()  # recovers what was pending
    if PHASE == "kill":
        with SetWorkflowID(WORKFLOW):
            sequence(STEPS)
    else:
        DBOS.retrieve_workflow(WORKFLOW).get_result()
    os._exit(0)


if __name__ == "__main__":
    main()
