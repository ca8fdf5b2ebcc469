"""Operators as processes: two, or more where a fault wants it, each with a clock of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

import yaml
from tests.chaos import clocks
from tests.chaos.cluster import SPACE
from tests.chaos.controlplane import RELEASE
from tests.chaos.rogues import Rogues
from tests.integration.apiserver import ApiServer


@dataclass(frozen=True, slots=True)
class Line:
    """How operators reach the API server, and whose code they run."""

    api: ApiServer
    port: int
    authority: Path
    pythonpath: str
    shim: Path
    skews: tuple[int, ...]


class Operators:
    """Keeps operators running until told otherwise: who dies is started again."""

    def __init__(self, line: Line, folder: Path, *, rng: Random) -> None:
        self._line = line
        self._folder = folder
        self._rng = rng
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._running: list[subprocess.Popen[bytes]] = []
        self._kubeconfig = folder / "operator.kubeconfig"
        self._held = threading.Event()
        self._rogues = Rogues(line.api, RELEASE, rng=rng)
        self.token = _token(line.api)
        self._kubeconfig.write_text(yaml.safe_dump(_config(line, self.token)))

    def __enter__(self) -> Self:
        self._start()
        threading.Thread(target=self._keep, name="operators", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with self._lock:
            for each in self._running:
                each.kill()
                each.wait()

    def kill_one(self) -> None:
        """End one of them; another is started soon."""
        if one := self._one():
            one.kill()

    @contextmanager
    def away(self) -> Iterator[None]:
        """End all, and start none for a while."""
        self._held.set()
        with self._lock:
            for each in self._running:
                each.kill()
        try:
            yield
        finally:
            self._held.clear()

    @contextmanager
    def rogue(self) -> Iterator[None]:
        """Let one more act beside the leader, as nobody should: it has a Lease of its own."""
        rogue = self._launch("--lease-name", lease := self._rogues.new_lease())
        try:
            self._rogues.wait_for(lease)
            yield
        finally:
            rogue.kill()
            rogue.wait()

    def pause(self, seconds: float) -> None:
        """Stop one for a while; it goes on with what it knew."""
        if one := self._one():
            with suppress(ProcessLookupError):
                one.send_signal(signal.SIGSTOP)
                time.sleep(seconds)
                one.send_signal(signal.SIGCONT)

    def _one(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            running = [each for each in self._running if each.poll() is None]
        return self._rng.choice(running) if running else None

    def _keep(self) -> None:
        while not self._ended.wait(0.5):
            if not self._held.is_set():
                self._start()

    def _start(self) -> None:
        with self._lock:
            self._running = [each for each in self._running if each.poll() is None]
            while len(self._running) < 2 and not self._ended.is_set():
                self._running.append(self._launch())

    def _launch(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = (
            *(sys.executable, "-m", "penstock_operator.app.main", "--http-port", "0"),
            *("--namespace", SPACE, "--lease-namespace", RELEASE),
            *("--runner-image", "none", *arguments),
        )
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
            "KUBECONFIG": str(self._kubeconfig),
            "PYTHONPATH": self._line.pythonpath,
            **clocks.environment(self._line.shim, self._rng.choice(self._line.skews)),
        }
        with (self._folder / "operators.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def _token(api: ApiServer) -> str:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 36000},
    }
    path = f"/api/v1/namespaces/{RELEASE}/serviceaccounts/{RELEASE}-operator/token"
    token: str = api.create(path, body)["status"]["token"]
    return token


def _config(line: Line, token: str) -> dict[str, object]:
    cluster = {
        "server": f"https://127.0.0.1:{line.port}",
        "certificate-authority": str(line.authority),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "chaos", "cluster": cluster}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "chaos", "context": {"cluster": "chaos", "user": "operator"}}],
        "current-context": "chaos",
    }
