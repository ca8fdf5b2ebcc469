"""Results as a store would give them back, in a test that has none."""

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
    before = os.environ.get("PENSTOCK_ROUNDTRIP")
    os.environ["PENSTOCK_ROUNDTRIP"] = "1"
    try:
        yield
    finally:
        del os.environ["PENSTOCK_ROUNDTRIP"]
        if before is not None:
            os.environ["PENSTOCK_ROUNDTRIP"] = before
