"""An API server that answers what a test tells it to, and breaks off where a test wants it to."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; `breaks` ends the connection before the body does."""

    body: bytes = b""
    status: int = 200
    breaks: bool = False


def of(value: Any, *, status: int = 200) -> Answer:
    """Answer with a JSON document."""
    return Answer(body=json.dumps(value).encode(), status=status)


def no_such(plural: str, name: str) -> Answer:
    """Answer as the API server does where there is no object of that name."""
    message = f'{plural}.penstock.dev "{name}" not found'
    return of({"kind": "Status", "message": message, "details": {"name": name}}, status=404)


@dataclass
class Script:
    """Answers by path, in order; the last of a path is given again and again."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    """Of the requests that had one."""

    def on(self, path: str, *answers: Answer) -> None:
        """Give these answers to requests of that path; for watches, append `?watch`."""
        self.answers[path] += answers

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig that leads here."""
        config = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return path


@contextmanager
def serving() -> Iterator[Script]:
    """Serve a script on loopback."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            script.seen.append((self.command, url.path, query))
            answers = script.answers[url.path + ("?watch" if "watch" in query else "")]
            self._give(answers.pop(0) if len(answers) > 1 else answers[0])

        do_POST = do_PATCH = do_GET

        def _give(self, answer: Answer) -> None:
            if body := self.rfile.read(int(self.headers.get("Content-Length", 0))):
                script.bodies.append(json.loads(body))
            self.send_response(answer.status)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if answer.body:
                self.wfile.write(f"{len(answer.body):x}\r\n".encode() + answer.body + b"\r\n")
            if answer.breaks:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *arguments: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
