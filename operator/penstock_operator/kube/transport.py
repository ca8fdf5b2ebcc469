"""One HTTP request and its answer. Tests put their own transport here to break connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client.api_client import ApiClient

from penstock_operator.kube.connection import Connection
from penstock_operator.kube.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    resource: str
    """Plural of the kind, and the subresource: flowruns/status."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content_type: str = "application/json"
    accept: str = "application/json"

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    retry_after: str | None = None


class Transport(Protocol):
    """Carries one request; raises Unavailable when no answer came."""

    async def send(self, request: Request) -> Response: ...

    async def close(self) -> None: ...


class HttpTransport:
    """Sends requests over the connection pool of the `kubernetes` package."""

    def __init__(self, connection: Connection, *, user_agent: str = "penstock-operator") -> None:
        self._connection = connection
        self._api = ApiClient(configuration=connection.configuration)
        self._user_agent = user_agent

    async def send(self, request: Request) -> Response:
        headers = {
            "Accept": request.accept,
            "Content-Type": request.content_type,
            "User-Agent": self._user_agent,
        }
        if token := await self._connection.authorization():
            headers["Authorization"] = token
        url = self._connection.server + request.path
        if request.query:
            url += "?" + urlencode(request.query)
        try:
            answer = await self._api.call_api(
                request.method, url, header_params=headers, body=request.body
            )
            body = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(
                f"The API server did not answer {request.method} {request.path}: "
                f"{type(error).__name__} {error}".rstrip()
            ) from error
        return Response(answer.status, body, answer.headers.get("Retry-After"))

    async def close(self) -> None:
        await self._api.close()
