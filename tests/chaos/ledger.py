"""What programs really did to the world: a service outside of all faults that writes it all down.

Its order is the truth: whoever tells it something waits for the answer before going on.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Self

from tests.chaos.slots import Slots


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a run, and when by this process's clock."""

    at: float
    what: str
    facts: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items() if name != "run")
        return f"{self.at:9.3f} {self.what:10} {facts}"


class Ledger:
    """Keeps facts by run: from programs over HTTP, and from those who watch the cluster."""

    def __init__(self, *, address: str = "127.0.0.1", seconds: Callable[[], float]) -> None:
        self.slots = Slots()
        """Who is inside which limit."""
        self._facts: dict[str, list[Fact]] = defaultdict(list)
        self._lock = threading.Lock()
        self._seconds = seconds
        handler = type("Handler", (_Handler,), {"ledger": self})
        self._server = _Server((address, 0), handler)
        self.address = f"{address}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="ledger", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def note(self, run: str, what: str, **facts: Any) -> None:
        """Write a fact down."""
        with self._lock:
            at = time.monotonic()
            self._facts[run].append(Fact(at, what, facts))
            if "block" in facts:
                self.slots.heard(run, facts, at=at)

    def told(self, facts: dict[str, Any]) -> float:
        """Write down what a program tells; return how many seconds its work is to take."""
        self.note(facts.pop("run"), facts.pop("what"), **facts)
        return self._seconds()

    def of(self, run: str) -> list[Fact]:
        """Return the facts of a run, in order."""
        with self._lock:
            return list(self._facts[run])

    def forget(self, run: str) -> None:
        """Let go of a run that was judged."""
        with self._lock:
            self._facts.pop(run, None)


def short_works(rng: Random) -> Callable[[], float]:
    """Return what draws the seconds of a task's work: mostly few, so that many are in between."""
    lock = threading.Lock()

    def draw() -> float:
        with lock:
            return rng.choice((0, 0, 0.05, 0.3))

    return draw


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: who asked may have been killed."""


class _Handler(BaseHTTPRequestHandler):
    ledger: Ledger
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        facts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = str(self.ledger.told(facts)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Stay silent."""
