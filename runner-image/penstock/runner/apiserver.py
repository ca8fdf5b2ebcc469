"""One kept-alive connection to the API server, with the standard library only.

It must fit any image and start at once, so no client package; it must outlive restarts of the API
server and the renewal of its token, so each request reads the token's file, a connection that
broke is made anew, and a server that is still starting is not believed when it forbids something.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

APPLY = "application/apply-patch+yaml"
"""Server-side apply. JSON is YAML, so the body is JSON."""
JSON = "application/json"
DOUBT_SECONDS = 30.0
"""For how long a 403 is doubted of a server that never says it is ready; some may not say it."""
_USER_AGENT = "penstock-runner"


class UnreachableError(Exception):
    """No answer came: nobody knows whether the request was carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said."""

    status: int
    body: Mapping[str, Any]
    retry_after: float | None = None
    """How many seconds the server asks to be left alone."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def sentence(self) -> str:
        """The server's reason, in its own words."""
        message = self.body.get("message")
        return f"{self.status} {message}" if message else f"{self.status}"


@dataclass(frozen=True, slots=True)
class _Request:
    """What is sent, more than once if the connection breaks."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


class ApiServer:
    """A connection for one thread. Requests are idempotent, so a broken one may be sent again."""

    def __init__(self, host: str, *, port: int, credentials: Path, timeout: float = 5.0) -> None:
        self._host = host
        self._port = port
        self._credentials = credentials
        self._timeout = timeout
        self._connection: http.client.HTTPSConnection | None = None
        self._doubted: dict[tuple[str, str], float] = {}
        """Since when it is doubted that a request is forbidden, by its method and path."""

    def get(self, path: str, *, timeout: float | None = None, accept: str = JSON) -> Answer:
        """GET an object; raise `UnreachableError` when no answer comes within `timeout` seconds."""
        return self._request("GET", path, timeout=timeout, accept=accept)

    def apply(self, path: str, body: Mapping[str, Any], *, timeout: float | None = None) -> Answer:
        """Apply a body server-side; raise `UnreachableError` when no answer comes."""
        return self._request("PATCH", path, sends=APPLY, body=body, timeout=timeout)

    def create(self, path: str, body: Mapping[str, Any], *, timeout: float | None = None) -> Answer:
        """Create an object; a name that is taken is a 409, also if our own lost try took it."""
        return self._request("POST", path, sends=JSON, body=body, timeout=timeout)

    def replace(self, path: str, body: Mapping[str, Any]) -> Answer:
        """PUT an object; 409 if it is no longer the one that its resourceVersion says.

        It is also a 409 if an earlier try was carried out whose answer was lost.
        """
        return self._request("PUT", path, sends=JSON, body=body, timeout=None)

    def stream(self, path: str, *, silence: float) -> Iterator[Mapping[str, Any]]:
        """Yield the events of a watch until the server ends it, on a connection of their own.

        Raises `UnreachableError` when the connection breaks, or is silent for so many seconds.
        """
        connection = self._new_connection(self._timeout)
        try:
            connection.request("GET", path, headers=self._authorized({"Accept": JSON}))
            connection.sock.settimeout(silence)
            response = connection.getresponse()
            for line in response:
                yield _decode(line)
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(self._describe(error)) from error
        finally:
            connection.close()

    def delete(self, path: str, *, timeout: float | None = None) -> Answer:
        """Delete an object, or all that a collection's selectors choose."""
        return self._request("DELETE", path, timeout=timeout)

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(
        self,
        method: str,
        path: str,
        *,
        timeout: float | None,
        accept: str = JSON,
        sends: str = "",
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        headers = {"Accept": accept, "User-Agent": _USER_AGENT}
        encoded = None
        if body is not None:
            headers["Content-Type"] = sends
            encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        request = _Request(method, path, headers=headers, body=encoded)
        answer = self._send(request, timeout=timeout)
        if answer.status == 403:
            answer = self._verified(answer, request, timeout=timeout)
        elif self._doubted:
            self._doubted.pop((method, path), None)
        if answer.ok and "kind" not in answer.body:  # torn, or not the API server's
            raise UnreachableError(self._describe(ValueError("The answer is no object.")))
        return answer

    def _verified(self, refusal: Answer, request: _Request, *, timeout: float | None) -> Answer:
        """Return what the server says when it is ready, and 503 if it is not.

        A starting server forbids everything until it has read the roles and their bindings.
        """
        asked = _Request("GET", "/readyz", headers={"User-Agent": _USER_AGENT}, body=None)
        if self._send(asked, timeout=timeout).ok:
            self._doubted.clear()
            return self._send(request, timeout=timeout)
        now = time.monotonic()
        since = self._doubted.setdefault((request.method, request.path), now)
        is_believed = now - since > DOUBT_SECONDS
        return refusal if is_believed else replace(refusal, status=503)

    def _send(self, request: _Request, *, timeout: float | None) -> Answer:
        kept_alive = self._connection is not None
        try:
            return self._exchange(request, timeout=timeout)
        except TimeoutError as error:
            self.close()
            raise UnreachableError(self._describe(error)) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not kept_alive:
                raise UnreachableError(self._describe(error)) from error
        # A server may close an idle connection at any time; that says nothing about its health.
        try:
            return self._exchange(request, timeout=timeout)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise UnreachableError(self._describe(error)) from error

    def _exchange(self, request: _Request, *, timeout: float | None) -> Answer:
        connection = self._connect(self._timeout if timeout is None else timeout)
        headers = self._authorized(request.headers)
        connection.request(request.method, request.path, body=request.body, headers=headers)
        response = connection.getresponse()
        said = response.read()
        if response.will_close:
            self.close()
        return Answer(
            status=response.status,
            body=_decode(said),
            retry_after=_seconds(response.headers.get("Retry-After")),
        )

    def _authorized(self, headers: Mapping[str, str]) -> dict[str, str]:
        token = (self._credentials / "token").read_text().strip()
        return {"Authorization": f"Bearer {token}", **headers}

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        if self._connection is None:
            self._connection = self._new_connection(timeout)
        self._connection.timeout = timeout
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        return self._connection

    def _new_connection(self, timeout: float) -> http.client.HTTPSConnection:
        # Read anew for each connection: the authority may have been renewed with the token.
        context = ssl.create_default_context(cafile=str(self._credentials / "ca.crt"))
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)

    def _describe(self, error: Exception) -> str:
        return f"https://{self._host}:{self._port}: {type(error).__name__}: {error}"


def _decode(content: bytes) -> Mapping[str, Any]:
    """Decode an answer; proxies and dying servers send pages that are not JSON."""
    try:
        body = json.loads(content)
    except ValueError:
        return {"message": content[:200].decode(errors="replace")}
    return body if isinstance(body, dict) else {"message": repr(body)[:200]}


def _seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else max(0.0, float(retry_after))
    except ValueError:
        return None  # an HTTP date: the API server never sends one
