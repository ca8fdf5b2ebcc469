"""The components of a development cluster, which can be stopped, killed and started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.chaos.watching import patiently
from tests.integration.apiserver import ApiServer

ROOT = Path(__file__).parents[2]


class Components:
    """Knows them by the names that `devcluster status` shows."""

    def __init__(self, name: str, api: ApiServer) -> None:
        self.name = name
        self.api = api

    def signal(self, component: str, number: int) -> None:
        """Send a signal to a component."""
        with suppress(ProcessLookupError):
            os.kill(self._pid(component), number)

    def pause(self, component: str, seconds: float) -> None:
        """Stop a component for a while: it holds its connections and answers nothing."""
        self.signal(component, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self.signal(component, signal.SIGCONT)

    def kill(self, component: str) -> None:
        """End a component at once."""
        devcluster("kill", "--name", self.name, component)

    def start(self, component: str) -> None:
        """Start a component that was killed."""
        devcluster("start", "--name", self.name, component)

    def wait_until_ready(self) -> None:
        """Wait for the API server after an outage."""
        patiently(lambda: self.api.get("/api/v1/namespaces/default"))

    def _pid(self, component: str) -> int:
        # Read from its record: `status` asks the API server, which may be the one that is stopped.
        return int(json.loads((self._state / f"processes/{component}.json").read_text())["pid"])

    @property
    def _state(self) -> Path:
        return Path(devcluster("kubeconfig", "--name", self.name).strip()).parent


def devcluster(*arguments: str) -> str:
    """Run a command of the development cluster and return what it prints."""
    done = subprocess.run(
        (ROOT / "devcluster/devcluster", *arguments),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"devcluster {' '.join(arguments)}: {done.stderr}"
    return done.stdout
