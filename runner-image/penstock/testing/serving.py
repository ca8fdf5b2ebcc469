"""Serving in the background of a test, for as long as a block runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from typing import TYPE_CHECKING

from penstock.drivers.clocks import new_gate, new_stint
from penstock.serving import LIMIT, Server

if TYPE_CHECKING:
    from penstock.serving import Deployment


@contextmanager
def served(*deployments: Deployment, limit: int = LIMIT) -> Iterator[None]:
    """Start runs when they are due, as ``serve`` does, until the block ends.

    Runs that go on then are cancelled and waited for. Under ``moving_time`` runs are due when the
    test moves the time.
    """
    server = Server(deployments, limit=limit)
    ended, stint = new_gate(), new_stint()

    def run() -> None:
        with stint or nullcontext():
            try:
                server.run()
            finally:
                ended.set()

    context = copy_context()
    threading.Thread(target=context.run, args=(run,), name="penstock-served", daemon=True).start()
    try:
        yield
    finally:
        server.stop()
        ended.wait()
