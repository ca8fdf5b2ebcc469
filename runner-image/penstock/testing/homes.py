"""A home for each test: nothing that another test, or the machine's user, has left."""

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

    Variables, secrets, limits, cached results and the records of runs inside are nobody else's,
    and results that were cached in memory are out of sight. The environment is the process's: use
    this in one test at a time.
    """
    from penstock.results import MEMORY

    before = os.environ.get("PENSTOCK_HOME")
    with TemporaryDirectory(prefix="penstock-home-") as folder, MEMORY.emptied():
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
