"""Fixtures for pytest, found by it wherever Penstock is installed: each ``penstock_…``.

pytest imports this in every session, so that it imports nothing of Penstock before a test asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from penstock.testing import MovingTime


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers", "penstock_network(*hosts): hosts that penstock_no_network lets the test reach"
    )


@pytest.fixture
def penstock_home() -> Iterator[Path]:
    """An empty ``$PENSTOCK_HOME``, and nothing cached."""
    from penstock.testing import isolated_home

    with isolated_home() as home:
        yield home


@pytest.fixture
def penstock_time() -> Iterator[MovingTime]:
    """Time that the test moves, and that passes by itself where everybody waits for it."""
    from penstock.testing import moving_time

    with moving_time() as time:
        yield time


@pytest.fixture
def penstock_no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """No connections but to the hosts of ``@pytest.mark.penstock_network("localhost")``."""
    from penstock.testing import no_network

    marks = request.node.iter_markers("penstock_network")
    with no_network(allow=[host for mark in marks for host in mark.args]):
        yield


@pytest.fixture
def penstock_round_trips() -> Iterator[None]:
    """Results as the journal of a durable run would give them back."""
    from penstock.testing import round_trips

    with round_trips():
        yield


@pytest.fixture
def penstock_strict() -> Iterator[None]:
    """Errors in the place of warnings of what may lead a durable run astray."""
    from penstock.testing import strict

    with strict():
        yield
