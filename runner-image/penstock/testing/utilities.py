"""What tests of Prefect's code import: its harness, which here is an isolated home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.absent import refuse_absent, refusing_options
from penstock.testing.homes import isolated_home

__all__ = ["penstock_test_harness"]


@refusing_options("penstock_test_harness")
@contextmanager
def penstock_test_harness() -> Iterator[None]:
    """Give the tests inside a home of their own; there is no server to start."""
    with isolated_home():
        yield


refuse_absent(globals())
