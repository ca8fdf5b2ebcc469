"""One stage for all tests of this folder; each plays programs of its own on it."""

from collections.abc import Iterator

import pytest
from tests.chaos.emulated import emulated_stage
from tests.chaos.stage import Stage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with emulated_stage("tests", tmp_path_factory.mktemp("chaos")) as stage:
        yield stage
