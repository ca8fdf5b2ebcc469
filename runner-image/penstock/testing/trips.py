"""What durable runs meet, in a test that has no journal: stored results, strict rules."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def round_trips() -> Iterator[None]:
    """Let each result in a flow be what a durable run's journal would give back.

    The same as ``PENSTOCK_ROUNDTRIP=1``. A value that cannot be stored passes through with a
    warning in the log. Holds for the process: use this in one test at a time.
    """
    with _set("PENSTOCK_ROUNDTRIP"):
        yield


@contextmanager
def strict() -> Iterator[None]:
    """Have flows raise what may lead a durable run astray: they are ``strict``, with round trips.

    The same as ``PENSTOCK_STRICT=1`` beside ``PENSTOCK_ROUNDTRIP=1``; holds for the process.
    """
    with _set("PENSTOCK_STRICT"), round_trips():
        yield


@contextmanager
def _set(name: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
