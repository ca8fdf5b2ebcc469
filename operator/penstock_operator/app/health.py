"""Whether this process works, as Kubernetes asks: /livez, /readyz, /metrics on one port.

A watch can die without a word (nolar/kopf#1276), and a process that sees no events looks healthy.
So the holder of the Lease is live only while its own renewals come back to it through the watch,
and while its resyncs do not find again and again what another watch should have told.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from penstock_operator.app.metrics import Metrics
from penstock_operator.kube.lease import Lease

_PATIENCE_SECONDS = 60.0
_MAX_BAD_RESYNCS = 3


class Health:
    """The facts behind the probes; time comes from outside."""

    def __init__(self, lease: Lease, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease = lease
        self._clock = clock
        self._started_at = clock()
        self._heard_at = float("-inf")
        self._leading_since: float | None = None
        self._expects_heartbeats = False
        self._bad_resyncs = 0
        self.synced = False

    def leads(self, *, expects_heartbeats: bool) -> None:
        """Note that this process acts from now on, and whether it can see its own Lease."""
        self._leading_since = self._clock()
        self._expects_heartbeats = expects_heartbeats

    def heard_of_lease(self, holder: str) -> None:
        """Note that the watch brought a renewal of the Lease."""
        if holder == self._lease.identity:
            self._heard_at = self._clock()

    def resynced(self, *, repairs: int) -> None:
        """Note how many changes a resync found that no event had told of."""
        self._bad_resyncs = self._bad_resyncs + 1 if repairs else 0

    def why_dead(self) -> str | None:
        """Say what is wrong if only a restart can mend it."""
        if self._leading_since is None:
            last = max(self._lease.tried_at, self._started_at)
            if self._clock() - last > _PATIENCE_SECONDS:
                return "the loop that waits for the Lease has stopped"
            return None
        if self._bad_resyncs >= _MAX_BAD_RESYNCS:
            return f"{self._bad_resyncs} resyncs in a row found changes that no event told of"
        if not self._expects_heartbeats:
            return None
        last = max(self._heard_at, self._leading_since)
        if self._clock() - last > _PATIENCE_SECONDS:
            return "renewals of the own Lease no longer arrive through the watch"
        return None

    def why_unready(self) -> str | None:
        """Say why this process cannot do its part yet."""
        if self._leading_since is not None:
            return None if self.synced else "the first lists are not complete"
        if not self._lease.answered:
            return "the API server has not answered about the Lease yet"
        return None


@asynccontextmanager
async def serve_health(health: Health, metrics: Metrics, *, port: int) -> AsyncIterator[int]:
    """Serve the probes while the block runs; yields the port, which port 0 leaves to the system."""

    async def livez(_: web.Request) -> web.Response:
        return _answer(health.why_dead())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.why_unready())

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain"})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, port=port)
        await site.start()
        # Port 0 gives IPv4 and IPv6 a port each; an IPv4 address is the shorter tuple.
        yield int(min(runner.addresses, key=len)[1])
    finally:
        await runner.cleanup()


def _answer(problem: str | None) -> web.Response:
    if problem is None:
        return web.Response(text="ok\n")
    return web.Response(status=503, text=f"{problem}\n")
