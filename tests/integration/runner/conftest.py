from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.runner.faulty_server import FaultyServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    """The API server of one run, which can be told to misbehave."""
    server = FaultyServer(tmp_path)
    server.start()
    yield server
    server.stop()
