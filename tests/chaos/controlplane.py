"""A real etcd, API server and controller manager, which can be stopped, killed and started.

The nodes are the tests' own (`kubelet`): a pod is a process on this machine. So hundreds of
programs run in minutes, while Jobs, pods, garbage and lost nodes are Kubernetes' own affair.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import yaml
from tests.chaos.watching import line_to, patiently
from tests.integration import charts
from tests.integration.apiserver import GROUP, ApiServer, Refused

ROOT = Path(__file__).parents[2]
RELEASE = "penstock"
"""Of the chart, and the namespace of its operators."""
KINDS = {"flows", "flowruns", "workpools", "signals", "journalsegments"}
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


class ControlPlane:
    """A cluster without nodes; Penstock's kinds, rights and policies are in it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._controllers: subprocess.Popen[bytes] | None = None
        self.kubeconfig = folder / "admin.kubeconfig"
        self.api: ApiServer

    def __enter__(self) -> Self:
        _devcluster("up", "--name", self.name, "--api-only")
        try:
            given = _devcluster("kubeconfig", "--name", self.name).strip()
            self.kubeconfig.write_text(Path(given).read_text())
            self.api = line_to(self.kubeconfig)
            self._install()
            self.start("kube-controller-manager")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._controllers is not None:
            self._controllers.kill()
            self._controllers.wait()
        _devcluster("down", "--name", self.name)

    def signal(self, component: str, number: int) -> None:
        """Send a signal to `etcd`, `kube-apiserver` or `kube-controller-manager`."""
        with suppress(ProcessLookupError):
            os.kill(self._pid(component), number)

    def kill(self, component: str) -> None:
        """End a component at once."""
        if component != "kube-controller-manager":
            _devcluster("kill", "--name", self.name, component)
        elif self._controllers is not None:
            self._controllers.kill()
            self._controllers.wait()

    def start(self, component: str) -> None:
        """Start a component that was killed."""
        if component != "kube-controller-manager":
            _devcluster("start", "--name", self.name, component)
            return
        binary = Path(_devcluster("path").strip()) / component
        command = (
            *(binary, f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0"),
            f"--controllers={','.join(CONTROLLERS)}",
            f"--root-ca-file={self._state / 'pki/ca.crt'}",
            *("--kube-api-qps=200", "--kube-api-burst=400", "--v=0"),
            *("--node-monitor-grace-period=6s", "--node-monitor-period=1s"),
            *("--node-eviction-rate=10", "--secondary-node-eviction-rate=10"),
        )
        with (self._folder / f"{component}.log").open("ab") as log:
            self._controllers = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_until_ready(self, *, within: float = 60.0) -> None:
        """Wait for the API server after an outage."""
        patiently(lambda: self.api.get("/api/v1/namespaces/default"), within=within)

    @property
    def _state(self) -> Path:
        return Path(_devcluster("kubeconfig", "--name", self.name).strip()).parent

    def _pid(self, component: str) -> int:
        if component == "kube-controller-manager":
            assert self._controllers is not None
            return self._controllers.pid
        # Read from its record: `status` asks the API server, which may be the one that is stopped.
        return int(json.loads((self._state / f"processes/{component}.json").read_text())["pid"])

    def _install(self) -> None:
        os.environ["PATH"] = _devcluster("path").strip() + os.pathsep + os.environ["PATH"]
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

    def pause(self, component: str, seconds: float) -> None:
        """Stop a component for a while: it holds its connections and answers nothing."""
        self.signal(component, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self.signal(component, signal.SIGCONT)


def _devcluster(*arguments: str) -> str:
    done = subprocess.run(
        (ROOT / "devcluster/devcluster", *arguments),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"devcluster {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def _wait_until_served(api: ApiServer) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(Refused):
            if {item["name"] for item in api.get(GROUP)["resources"]} >= KINDS:
                return
        time.sleep(0.1)
    raise AssertionError("The API server does not serve the kinds of penstock.dev.")
