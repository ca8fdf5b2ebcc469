"""How soon the runner's process works, without kubelet and image: process start to first task.

The API server is the one of the runner's own tests, in this process; a real one answers in 2 ms.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure
from tests.integration.runner.faulty_server import FaultyServer
from tests.integration.runner.processes import Place, RunnerProcess

ROUNDS = 9
CODE = """
import time
from penstock import flow, task

@task
def first():
    print("first task at", time.time())

@flow
def daily({parameters}):
    first()
"""


def main() -> None:
    plain = median(_seconds_to_first_task("", {}) for _ in range(ROUNDS))
    typed = median(
        _seconds_to_first_task("day: str, limit: int = 3", {"day": "2026-11-20"})
        for _ in range(ROUNDS)
    )
    Figure("runner's process start to first task", plain, "s", 0.3).print()
    Figure("the same, parameters validated", typed, "s", 0.3).print()


def _seconds_to_first_task(parameters: str, values: dict[str, object]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        server = FaultyServer(Path(folder))
        server.start()
        place = Place(
            folder=Path(folder),
            host="127.0.0.1",
            port=server.port,
            credentials=server.credentials,
        )
        started = time.time()
        runner = RunnerProcess(
            place,
            code=CODE.format(parameters=parameters),
            launch={"entrypoint": "flow.py:daily", "parameters": values},
        )
        try:
            line = runner.wait_for_line("first task at")
            runner.exit_code()
        finally:
            runner.close()
            server.stop()
        return float(line.split()[-1]) - started


if __name__ == "__main__":
    main()
