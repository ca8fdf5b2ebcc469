"""A real API server with the CRDs, and a real operator process beside it.

PENSTOCK_TEST_KUBECONFIG names a server that runs already; else scripts/cluster brings one up.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.integration.apiserver import GROUP, ApiServer, Refused
from tests.integration.world import World

ROOT = Path(__file__).parents[2]
NAME = os.environ.get("CLUSTER", "penstock-bench-api")


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """An API server that serves our kinds."""
    given = os.environ.get("PENSTOCK_TEST_KUBECONFIG")
    path = given or _cluster("ensure", "--name", NAME, "--api-only").strip()
    try:
        server = ApiServer.from_kubeconfig(Path(path))
        _install_crds(server)
        yield server
    finally:
        if not given:
            _cluster("down", "--name", NAME)


def pretended_nodes(count: int) -> None:
    """Add nodes whose pods only pretend to run, and what schedules pods onto them."""
    command = [ROOT / "devcluster/devcluster", "kwok", "--name", NAME, "--nodes", str(count)]
    subprocess.run(command, check=True)


@dataclass(frozen=True, slots=True)
class OperatorProcess:
    """The operator as it runs in its container, without the container."""

    process: subprocess.Popen[bytes]
    port: int

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's series, or of those with certain labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        series = (line.rpartition(" ") for line in self._get("metrics").splitlines())
        return sum(
            float(value)
            for what, _, value in series
            if what.split("{")[0] == name and all(each in what for each in wanted)
        )

    def is_ready(self) -> bool:
        try:
            return self._get("readyz") == "ok\n" and self.metric("penstock_leader") == 1
        except OSError:
            return False

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as answer:
            return str(answer.read().decode())


@contextmanager
def operator(world: World) -> Iterator[OperatorProcess]:
    """An operator that serves one namespace and holds the Lease."""
    port = _free_port()
    command = [
        sys.executable, "-m", "penstock_operator.app.main",
        "--runner-image", "penstock-runner:bench",
        "--namespace", world.namespace,
        "--lease-namespace", world.namespace,
        "--http-port", str(port),
        "--log-level", "WARNING",
    ]  # fmt: skip
    environment = os.environ | {"KUBECONFIG": str(world.api.kubeconfig)}
    running = OperatorProcess(subprocess.Popen(command, env=environment), port)
    try:
        deadline = time.monotonic() + 120
        while not running.is_ready():
            assert time.monotonic() < deadline, "the operator does not become ready"
            assert running.process.poll() is None, "the operator has ended"
            time.sleep(0.02)
        yield running
    finally:
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(20)


@contextmanager
def namespace(server: ApiServer, name: str) -> Iterator[World]:
    """A namespace of one's own."""
    name = f"{name}-{os.getpid()}"
    server.create("/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        yield World(server, name)
    finally:
        server.delete(f"/api/v1/namespaces/{name}")


def _install_crds(server: ApiServer) -> None:
    plurals = set()
    for path in (ROOT / "crds").glob("*.yaml"):
        body = yaml.safe_load(path.read_text())
        name = body["metadata"]["name"]
        plurals.add(body["spec"]["names"]["plural"])
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        server.apply(f"{crds}/{name}", body, manager="bench")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if plurals <= {each["name"] for each in server.get(GROUP)["resources"]}:
                return
        except Refused:
            pass
        time.sleep(0.1)
    raise AssertionError("The API server does not serve the kinds of penstock.dev.")


def _cluster(*arguments: str) -> str:
    done = subprocess.run(
        (ROOT / "scripts/cluster", *arguments), cwd=ROOT, stdout=-1, text=True, check=True
    )
    return done.stdout


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
