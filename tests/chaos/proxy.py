"""A line to the API server on which requests and answers are lost, late or spoilt, as told.

It ends TLS itself, so that it sees each request: whose it is (by the token), and which it is.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml
from tests.chaos.faults import Answered, Asked, Delay, Fault, Lose, Spoil, Strike
from tests.integration.runner.faulty_server import make_certificate

REASONS = {403: "Forbidden", 409: "AlreadyExists", 429: "TooManyRequests", 500: "InternalError"}
HOP_HEADERS = {"connection", "transfer-encoding", "keep-alive", "host"}


@dataclass(frozen=True, slots=True)
class Upstream:
    """The real API server."""

    host: str
    port: int
    tls: ssl.SSLContext


class Proxy:
    """Asks `judge` about each request before it forwards it; tells `witness` what came of it."""

    def __init__(
        self,
        kubeconfig: Path,
        folder: Path,
        *,
        judge: Callable[[Asked], Fault | None],
        witness: Callable[[Answered], None],
    ) -> None:
        cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        server = urlsplit(cluster["server"])
        authority = _decoded(cluster["certificate-authority-data"])
        assert server.hostname
        assert server.port
        tls = ssl.create_default_context(cadata=authority)
        folder.mkdir(exist_ok=True)
        make_certificate(folder)
        self.authority = (folder / "ca.crt").read_text()
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(folder / "ca.crt", folder / "ca.key")
        upstream = Upstream(server.hostname, server.port, tls)
        told = {"judge": staticmethod(judge), "witness": staticmethod(witness)}
        handler = type("Handler", (_Handler,), {"upstream": upstream, **told})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.socket = own.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _decoded(text: str) -> str:
    import base64

    return base64.b64decode(text).decode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: lines break on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: Upstream
    judge: Callable[[Asked], Fault | None]
    witness: Callable[[Answered], None]
    _line: http.client.HTTPSConnection | None = None

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def finish(self) -> None:
        self._hang_up()
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.headers.get("Authorization", ""), self.command, self.path)
        fault = self.judge(asked)
        if isinstance(fault, Delay):
            time.sleep(fault.seconds)
        if isinstance(fault, Strike) and not fault.afterwards:
            fault.strike()
            if fault.deadly:
                self._drop()
                return
        if isinstance(fault, Lose | Spoil) and not fault.carried_out:
            self._end_with(fault)
            return
        began = time.monotonic()
        try:
            response = self._ask(body)
        except (OSError, http.client.HTTPException):
            self.witness(Answered(asked, body, began, status=None))
            self._hang_up()
            self._drop()
            return
        self.witness(Answered(asked, body, began, status=response.status))
        if isinstance(fault, Strike) and fault.afterwards:
            fault.strike()
        if isinstance(fault, Lose | Spoil):
            response.read()
            self._end_with(fault)
            return
        with suppress(OSError, http.client.HTTPException):
            self._pass_on(response)
            return
        self._hang_up()
        self._drop()

    def _ask(self, body: bytes) -> http.client.HTTPResponse:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_HEADERS}
        headers["Host"] = f"{self.upstream.host}:{self.upstream.port}"
        if self._line is None:
            self._line = http.client.HTTPSConnection(
                self.upstream.host, self.upstream.port, context=self.upstream.tls
            )
            self._line.connect()
            self._line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._line.request(self.command, self.path, body=body or None, headers=headers)
        return self._line.getresponse()

    def _pass_on(self, response: http.client.HTTPResponse) -> None:
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in HOP_HEADERS | {"content-length"}:
                self.send_header(name, value)
        if "watch=" not in self.path:
            content = response.read()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while chunk := response.read1(1 << 16):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def _end_with(self, fault: Lose | Spoil) -> None:
        if isinstance(fault, Lose):
            self._drop()
            return
        content = json.dumps(_status(fault.status)).encode()
        self.send_response_only(fault.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if fault.status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(content)

    def _drop(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def _status(code: int) -> dict[str, Any]:
    reason = REASONS.get(code, "ServiceUnavailable")
    head = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return head | {"message": "told to", "reason": reason, "code": code}
