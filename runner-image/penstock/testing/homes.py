"""For tests of flows: a home of their own, and limits that hold in it.

@pytest.fixture(autouse=True)
def home():
    with isolated_home() as path:
        yield path
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["isolated_home", "limited"]


@contextmanager
def isolated_home() -> Iterator[Path]:
    """Make ``$PENSTOCK_HOME`` an empty folder, which is removed at the end.

    Variables, secrets, limits and the records of runs inside are nobody else's. The environment
    is the process's: use this in one test at a time.
    """
    before = os.environ.get("PENSTOCK_HOME")
    with TemporaryDirectory(prefix="penstock-home-") as folder:
        os.environ["PENSTOCK_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["PENSTOCK_HOME"]
            else:
                os.environ["PENSTOCK_HOME"] = before


@contextmanager
def limited(name: str, slots: int, *, decay: float = 0.0) -> Iterator[None]:
    """Keep a limit in ``$PENSTOCK_HOME`` for as long as the block runs."""
    from penstock.concurrency.limits import Limit, delete_limit, set_limit

    set_limit(Limit(name=name, slots=slots, decay=decay))
    try:
        yield
    finally:
        delete_limit(name)
