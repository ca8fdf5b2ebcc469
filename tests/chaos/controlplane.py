"""A real etcd, API server and controller manager, which can be stopped, killed and started.

The nodes are the tests' own (`kubelet`): a pod is a process on this machine. So hundreds of
programs run in minutes, while Jobs, pods, garbage and lost nodes are Kubernetes' own affair.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml
from tests.chaos.components import ROOT, Components, devcluster
from tests.chaos.kubelet import GRACE
from tests.chaos.watching import line_to
from tests.integration import charts
from tests.integration.apiserver import GROUP, ApiServer, Refused

RELEASE = "penstock"
"""Of the chart, and the namespace of its operators."""
OWN = "kube-controller-manager"
"""The component that is not the development cluster's: it has other settings."""
KINDS = {"flows", "flowruns", "workpools", "signals", "journalsegments", "concurrencylimits"}
CONTROLLERS = (
    "job-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "pod-garbage-collector-controller",
    "disruption-controller",
)


class ControlPlane(Components):
    """A cluster without nodes; Penstock's kinds, rights and policies are in it."""

    def __init__(self, name: str, folder: Path) -> None:
        given = Path(devcluster("kubeconfig", "--name", name).strip())
        super().__init__(name, line_to(given))
        self.kubeconfig = given
        self._folder = folder
        self._controllers: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def up(cls, name: str, folder: Path) -> Iterator[ControlPlane]:
        """Bring it up, and take it down in the end."""
        try:
            devcluster("up", "--name", name, "--api-only")
            plane = cls(name, folder)
            try:
                plane._install()
                plane.start(OWN)
                yield plane
            finally:
                plane.kill(OWN)
        finally:
            devcluster("down", "--name", name)

    def kill(self, component: str) -> None:
        """End a component at once."""
        if component != OWN:
            super().kill(component)
        elif self._controllers is not None:
            self._controllers.kill()
            self._controllers.wait()

    def start(self, component: str) -> None:
        """Start a component that was killed."""
        if component != OWN:
            super().start(component)
            return
        binary = Path(devcluster("path").strip()) / component
        command = (
            *(binary, f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0"),
            f"--controllers={','.join(CONTROLLERS)}",
            f"--root-ca-file={self._state / 'pki/ca.crt'}",
            *("--kube-api-qps=200", "--kube-api-burst=400", "--v=0"),
            *(f"--node-monitor-grace-period={GRACE}s", "--node-monitor-period=1s"),
            *("--node-eviction-rate=10", "--secondary-node-eviction-rate=10"),
        )
        with (self._folder / f"{component}.log").open("ab") as log:
            self._controllers = subprocess.Popen(command, stdout=log, stderr=log)

    def _pid(self, component: str) -> int:
        if component != OWN:
            return super()._pid(component)
        assert self._controllers is not None
        return self._controllers.pid

    def _install(self) -> None:
        os.environ["PATH"] = devcluster("path").strip() + os.pathsep + os.environ["PATH"]
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RELEASE}}
        self.api.create("/api/v1/namespaces", space)
        self._apply("-f", str(ROOT / "crds"))
        rights = [
            item
            for item in charts.render(release=RELEASE, namespace=RELEASE)
            if item["kind"] in charts.RIGHTS
        ]
        self._apply("-f", "-", stdin=yaml.safe_dump_all(rights))
        _wait_until_served(self.api)

    def _apply(self, *what: str, stdin: str = "") -> None:
        done = self.api.kubectl("apply", "--server-side", *what, stdin=stdin)
        assert done.returncode == 0, done.stderr


def _wait_until_served(api: ApiServer) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(Refused):
            if {item["name"] for item in api.get(GROUP)["resources"]} >= KINDS:
                return
        time.sleep(0.1)
    raise AssertionError("The API server does not serve the kinds of penstock.dev.")
