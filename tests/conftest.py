"""How hard hypothesis searches: quickly at a desk, long where a machine has the time.

PENSTOCK_HYPOTHESIS=thorough tries a hundred times as many examples. Both try others each time.
"""

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("quick", max_examples=10, deadline=None)
settings.register_profile(
    "thorough", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile(os.environ.get("PENSTOCK_HYPOTHESIS", "quick"))


def pytest_configure(config: pytest.Config) -> None:
    """Shuffle the tests, but seed no generator before each: it costs more than many a test."""
    config.option.randomly_reset_seed = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the collector of garbage from what stays: modules, tests and their parameters."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        gc.enable()
