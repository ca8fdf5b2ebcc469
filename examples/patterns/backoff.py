"""Retry with growing delays what fails for a while, and at once give up what fails for good."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from penstock import exponential_backoff, flow, task


def passes(task: object, task_run: object, state: Any) -> bool:
    """Tell whether the same request may succeed later: a 404 never does."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, HTTPError) or error.code >= 500


@task(
    retries=4,
    retry_delay_seconds=exponential_backoff(0.02),
    retry_jitter_factor=0.5,
    retry_condition_fn=passes,
    timeout_seconds=10,
)
def fetch(url: str) -> dict[str, int]:
    """Ask the service."""
    with urlopen(url) as answer:
        found: dict[str, int] = json.load(answer)
        return found


@flow
def measure(url: str) -> dict[str, int]:
    """Return what the service says, how unsteady it may be."""
    missing = fetch(f"{url}/missing", return_state=True)
    return fetch(url) | {"missing": int(missing.is_failed())}


@contextmanager
def unsteady_service() -> Iterator[str]:
    """Serve on this machine, and fail two times of three."""
    asked = {"/": 0, "/missing": 0}

    class Unsteady(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path or "/"] += 1
            code = 404 if self.path == "/missing" else 200 if asked["/"] % 3 == 0 else 503
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps({"tries": asked["/"]}).encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Unsteady)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    with unsteady_service() as url:
        print(measure(url))
