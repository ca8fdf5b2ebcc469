"""An API server for one FlowRun and its journal, over real HTTPS, that can be told to misbehave.

It keeps the rules of docs/design.md, section 7: a terminal run, another attempt, another pod's
claim are refused.
"""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.unit.runner.segment_objects import SegmentObjects

TERMINAL = {"Completed", "Failed", "Crashed", "Cancelled"}


@dataclass(frozen=True)
class Answer:
    """Answer so instead of doing what was asked."""

    status: int
    retry_after: str | None = None
    body: bytes = b'{"message": "told to"}'


@dataclass(frozen=True)
class Drop:
    """Close the connection without an answer, before or after carrying the request out."""

    carried_out: bool = False


@dataclass(frozen=True)
class Delay:
    """Answer only after this many seconds."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """Answer only once this is set."""

    until: threading.Event


Fault = Answer | Drop | Delay | Hold


class FaultyServer:
    """`run` is the FlowRun; `faults` maps a method to what the next requests meet."""

    def __init__(self, folder: Path) -> None:
        self.credentials = folder
        make_certificate(folder)
        (folder / "token").write_text("token-1\n")
        self.run: dict[str, Any] | None = {
            "kind": "FlowRun",
            "metadata": {"name": "daily", "namespace": "default", "uid": "0f3c9a1e-77"},
            "spec": {"flowRef": {"name": "daily"}, "parameters": {}},
            "status": {"state": "Pending", "attempt": 1},
        }
        self.others: dict[str, dict[str, Any]] = {}
        """Runs of the namespace that are not the pod's own."""
        self.lenient = False  # without the admission policies
        self.ready = True
        self.journal = SegmentObjects(page=100)
        self.signals: list[dict[str, Any]] = []
        self.faults: dict[str, deque[Fault]] = {
            method: deque() for method in ("GET", "PATCH", "POST", "DELETE")
        }
        self.reports: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.tokens: list[str] = []
        self.requests: list[str] = []
        self.connections = 0
        self.after_report: Callable[[dict[str, Any]], None] = lambda run: None
        self.changed = threading.Condition()
        self.lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.port = 0
        self._http: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen, on the port of last time if there was one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.credentials / "ca.crt", self.credentials / "ca.key")
        self._http = _Listener(("127.0.0.1", self.port), _Handler, owner=self, context=context)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and break every connection, like a server that is restarted."""
        assert self._http is not None
        self._http.shutdown()
        with self.lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._http.server_close()

    def wait_for(self, met: Any, *, timeout: float = 10) -> None:
        """Wait until something is true of this server."""
        with self.changed:
            assert self.changed.wait_for(lambda: met(self), timeout), "the server waited in vain"

    def changed_within(self, seconds: float) -> bool:
        """Tell whether any request comes within this time."""
        with self.changed:
            return self.changed.wait(seconds)

    def respond(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        """Carry a request out as the real server and the admission policies would."""
        if path == "/readyz":
            return Answer(200, body=b"ok") if self.ready else Answer(500, body=b"[-]informer-sync")
        if "/journalsegments" in path:
            status, answer = self.journal.respond(method, path, body)
            return _json(status, answer)
        if "/signals" in path:
            return _json(200, {"kind": "SignalList", "items": self.signals})
        name = path.partition("/flowruns/")[2]
        if name in self.others:
            return _json(200, self.others[name])
        if self.run is None or name.partition("/")[0] != self.run["metadata"]["name"]:
            return Answer(404)
        if method == "GET":
            return _json(200, self.run)
        assert body is not None
        execution = body["status"]["execution"]
        if not self.lenient and (refusal := self._refusal(execution)):
            return _json(422, {"message": refusal})
        self.run["status"]["execution"] = execution
        self.reports.append(execution)
        self.times.append(time.monotonic())
        self.after_report(self.run)
        return _json(200, self.run)

    def _refusal(self, execution: dict[str, Any]) -> str | None:
        assert self.run is not None
        status = self.run["status"]
        old = status.get("execution") or {}
        if status["state"] in TERMINAL:
            return "the run is terminal"
        if execution["attempt"] != status["attempt"]:
            return "the attempt is fenced"
        if old.get("attempt") == execution["attempt"] and old["podUID"] != execution["podUID"]:
            return "another pod claimed the attempt"
        return None


def make_certificate(folder: Path) -> None:
    """Make a certificate for 127.0.0.1 that is its own authority."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=test",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ),
            *("-addext", "keyUsage=critical,keyCertSign,digitalSignature"),
            *("-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.crt")),
        ],
        check=True,
        capture_output=True,
    )


def _json(status: int, body: object) -> Answer:
    return Answer(status, body=json.dumps(body).encode())


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing the server waits for them
    allow_reuse_address = True

    def __init__(self, *arguments: Any, owner: FaultyServer, context: ssl.SSLContext) -> None:
        super().__init__(*arguments)
        self.owner = owner
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: connections are broken on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        with self.server.owner.lock:
            self.server.owner.connections += 1
            self.server.owner._open.add(self.connection)

    def finish(self) -> None:
        super().finish()
        with self.server.owner.lock:
            self.server.owner._open.discard(self.connection)

    def do_GET(self) -> None:
        self._serve("GET", None)

    def do_DELETE(self) -> None:
        self._serve("DELETE", None)

    def do_PATCH(self) -> None:
        self._serve("PATCH", self._body())

    def do_POST(self) -> None:
        self._serve("POST", self._body())

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _serve(self, method: str, body: dict[str, Any] | None) -> None:
        owner = self.server.owner
        faults = owner.faults[method]
        with owner.lock:
            fault = faults.popleft() if faults and self.path != "/readyz" else None
        if isinstance(fault, Delay):
            time.sleep(fault.seconds)
        if isinstance(fault, Hold):
            fault.until.wait(60)
        with owner.changed:
            owner.tokens.append(self.headers["Authorization"])
            owner.requests.append(f"{method} {self.path}")
            if isinstance(fault, Answer):
                answer = fault
            elif isinstance(fault, Drop) and not fault.carried_out:
                answer = None
            else:
                answer = owner.respond(method, self.path, body)
            owner.changed.notify_all()
        if isinstance(fault, Drop) or answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.retry_after is not None:
            self.send_header("Retry-After", answer.retry_after)
        self.end_headers()
        self.wfile.write(answer.body)
