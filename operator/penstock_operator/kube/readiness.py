"""Believes an API server that forbids something only once it is ready.

While it starts, it answers before it has read the roles and their bindings, quotas and policies.
Until then it forbids what it will allow a moment later, and a Job that is forbidden fails its run.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from penstock_operator.kube.errors import Unavailable
from penstock_operator.kube.transport import Request, Response, Transport

DOUBT_SECONDS = 30.0
"""For how long a 403 is doubted of a server that never says it is ready; some may not say it."""
_READY = Request("GET", "/readyz", "readyz")


class ReadyTransport:
    """Sends a request that was forbidden once more when the server is ready.

    Raises Unavailable where it is not.
    """

    def __init__(
        self, transport: Transport, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._doubted: dict[tuple[str, str], float] = {}
        """Since when it is doubted that a request is forbidden, by its method and path."""

    async def send(self, request: Request) -> Response:
        response = await self._transport.send(request)
        asked = (request.method, request.path)
        if response.status != 403:
            self._doubted.pop(asked, None)
            return response
        if (await self._transport.send(_READY)).status == 200:
            self._doubted.clear()
            return await self._transport.send(request)
        now = self._clock()
        if now - self._doubted.setdefault(asked, now) > DOUBT_SECONDS:
            return response
        raise Unavailable(
            f"The API server forbids {request.method} {request.path}, but is not ready yet.",
            status=503,
        )

    async def close(self) -> None:
        await self._transport.close()
