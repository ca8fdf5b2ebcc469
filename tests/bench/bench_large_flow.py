"""What a flow of 10,000 tasks makes its runner write: how often, and how much of it is kept.

The API server is the one of the runner's own tests, in this process.
"""

import tempfile
from itertools import pairwise
from pathlib import Path

from tests.bench.figures import Figure
from tests.integration.runner.faulty_server import FaultyServer
from tests.integration.runner.processes import Place, RunnerProcess

from penstock.runner.report import stored_size

CODE = """
import time
from penstock import flow, task

@task
def one(number: int) -> int:
    time.sleep(0.005)
    if number % 100 == 0:
        raise ValueError("ä<" * 1000)
    return number

@flow
def large() -> int:
    futures = one.map(range(10_000))
    return len([future.result(raise_on_failure=False) for future in futures])
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = FaultyServer(Path(folder))
        server.start()
        place = Place(
            folder=Path(folder), host="127.0.0.1", port=server.port, credentials=server.credentials
        )
        runner = RunnerProcess(
            place, code=CODE, launch={"entrypoint": "flow.py:large", "parameters": {}}
        )
        try:
            runner.exit_code(timeout=120)
        finally:
            runner.close()
            server.stop()
    assert server.reports[-1]["progress"] == "10000/10000", server.reports[-1]
    largest = max(stored_size(report) for report in server.reports)
    # The first and the last report are not kept waiting.
    gaps = [later - earlier for earlier, later in pairwise(server.times[1:-1])]
    Figure("largest report of 10,000 tasks", largest / 1024, "KiB", 32).print()
    Figure("shortest time between its reports", min(gaps), "s", 0.99, better="more").print()


if __name__ == "__main__":
    main()
