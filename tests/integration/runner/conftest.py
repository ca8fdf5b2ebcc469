import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.runner.faulty_server import FaultyServer
from tests.integration.runner.processes import Place, RunnerProcess

Attempt = Callable[..., RunnerProcess]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    """The API server of one run, which can be told to misbehave."""
    server = FaultyServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def attempt(server: FaultyServer, tmp_path: Path) -> Iterator[Attempt]:
    """Start the next attempt of the run, in a pod of its own, or the program of a pod `again`."""
    started: list[RunnerProcess] = []

    def attempt(code: str, *, again: int = 0, **env: str) -> RunnerProcess:
        number = again or len(started) + 1
        folder = tmp_path / f"process-{len(started)}"
        folder.mkdir()
        assert server.run is not None
        server.run["status"]["attempt"] = number
        place = Place(
            folder=folder,
            host="127.0.0.1",
            port=server.port,
            credentials=server.credentials,
            attempt=number,
            pod_name=f"daily-{number}-bcdfg",
            pod_uid=f"u-{number}",
        )
        launch: dict[str, object] = {"entrypoint": "flow.py:daily", "parameters": {}}
        started.append(RunnerProcess(place, code=textwrap.dedent(code), launch=launch, **env))
        return started[-1]

    yield attempt
    for process in started:
        process.close()
