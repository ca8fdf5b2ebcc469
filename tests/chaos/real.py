"""A stage on a development cluster: pods in containers, real kubelets, scheduler, Services, chart.

There is no proxy before the API server, so no fault can be planned for a request of a run; the
nemesis strikes runs as well.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from tests.chaos.cluster import RUN_LABEL, SPACE
from tests.chaos.components import Components
from tests.chaos.ledger import Ledger, short_works
from tests.chaos.observers import Observers
from tests.chaos.rogues import Rogues
from tests.chaos.stage import Stage
from tests.chaos.watching import line_to, patiently
from tests.e2e.cluster import SYSTEM, Cluster, scripted
from tests.integration.apiserver import ApiServer, Object

STORE = "/chaos"
"""Where pods find a folder that they share."""
OPERATORS = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/penstock-operator"


@contextmanager
def real_stage(seed: str, folder: Path) -> Iterator[Stage]:
    """Bring a cluster with two nodes up, and take it down in the end."""
    assert scripted("scripts/cluster", "backend") == "devcluster", (
        "Real kubelets are stopped in a development cluster only: unset KUBE_CONTEXT, and run this "
        "where no Docker answers."
    )
    cluster = Cluster.ensure("chaos")
    with ExitStack() as stack:
        stack.callback(cluster.down)
        api = line_to(cluster.kubeconfig)
        deadlines = {f"launchDeadlines.{each}Seconds": 600 for each in ("pod", "unschedulable")}
        cluster.install(**deadlines)
        api.create(
            "/api/v1/namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}},
        )
        ledger = stack.enter_context(
            Ledger(address=_reachable_address(cluster, api), seconds=short_works(Random(seed)))
        )
        watching = Observers(line_to(cluster.kubeconfig), ledger, journals=folder / "journals")
        components = Components(cluster.name, api)
        rng = Random(f"stage {seed}")
        stage = Stage(
            api,
            ledger,
            RealNodes(cluster, components),
            components,
            RealOperators(cluster, api, rng=rng),
            stack.enter_context(watching),
            STORE,
        )
        _share(stage, folder / "store")
        yield stage


def _reachable_address(cluster: Cluster, api: ApiServer) -> str:
    """Return this machine's address as the cluster sees it, once pods get answers from it."""
    server = urlsplit(api.url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect((server.hostname, server.port))
        address: str = line.getsockname()[0]
    inside = ("nsenter", f"--net=/run/netns/penstock-{cluster.name}")
    masquerade = ("iptables", "-t", "nat", "-A", "POSTROUTING", "-d", address, "-j", "MASQUERADE")
    subprocess.run((*inside, *masquerade), check=True)
    return address


def _share(stage: Stage, store: Path) -> None:
    store.mkdir()
    for each in (store.parent, store):  # pods are not root
        each.chmod(0o777)
    container = {"name": "flow", "volumeMounts": [{"name": "chaos", "mountPath": STORE}]}
    volume = {"name": "chaos", "hostPath": {"path": str(store)}}
    stage.furnish({}, containers=[container], volumes=[volume])


@dataclass(frozen=True, slots=True)
class PodProcess:
    """The first process of the container `flow`, as this machine sees it."""

    pod: str
    run: str
    pid: int

    def signal(self, number: int) -> bool:
        """Send a signal; return whether the process was there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False


class RealNodes:
    """The nodes of a development cluster."""

    grace = 50.0

    def __init__(self, cluster: Cluster, components: Components) -> None:
        self._cluster = cluster
        self._components = components
        self._api = components.api
        self.names = cluster.nodes()

    def pods(self, run: str = "") -> list[Object]:
        """Return the pods that have not ended."""
        label = f"{RUN_LABEL}={run}" if run else RUN_LABEL
        path = f"/api/v1/namespaces/{SPACE}/pods"
        found = patiently(lambda: self._api.get(path, labelSelector=label))["items"]
        ended = ("Succeeded", "Failed")
        return [pod for pod in found if pod["status"].get("phase") not in ended]

    def processes(self, run: str = "") -> list[PodProcess]:
        """Return the processes that live, whether their pod does or not."""
        first: dict[str, PodProcess] = {}
        for pid, given in sorted(_processes_in(self._cluster)):
            pod, of = given.get("PENSTOCK_POD_NAME"), given.get("PENSTOCK_RUN", "")
            if pod and (not run or of == run):
                first.setdefault(pod, PodProcess(pod, of, pid))
        return list(first.values())

    def log_of(self, pod_uid: str) -> str:
        """Return what a pod has printed, if it is still there."""
        found = patiently(lambda: self._api.get(f"/api/v1/namespaces/{SPACE}/pods"))["items"]
        names = [each["metadata"]["name"] for each in found if each["metadata"]["uid"] == pod_uid]
        return "".join(
            self._cluster.kubectl("logs", "--namespace", SPACE, name, check=False) for name in names
        )

    def skew_of(self, pod_uid: str) -> int:
        """All have this machine's clock."""
        return 0

    def stop(self, name: str) -> None:
        """Stop a kubelet; its pods go on."""
        self._components.signal(f"{name}-kubelet", signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        self._components.signal(f"{name}-kubelet", signal.SIGCONT)

    def cordon(self, name: str) -> None:
        """Let no new pod be bound to a node."""
        self._mark(name, unschedulable=True)

    def uncordon(self, name: str) -> None:
        self._mark(name, unschedulable=False)

    def _mark(self, name: str, *, unschedulable: bool) -> None:
        spec = {"spec": {"unschedulable": unschedulable}}
        patiently(lambda: self._api.merge(f"/api/v1/nodes/{name}", spec))


class RealOperators:
    """The pods of the chart's Deployment."""

    def __init__(self, cluster: Cluster, api: ApiServer, *, rng: Random) -> None:
        self._cluster = cluster
        self._api = api
        self._rng = rng
        self._rogues = Rogues(api, SYSTEM, rng=rng)

    def kill_one(self) -> None:
        """End one of them at once; its Deployment makes another."""
        path = f"/api/v1/namespaces/{SYSTEM}/pods/{self._one()}"
        self._api.request("DELETE", path, {"gracePeriodSeconds": 0})

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let there be none for a while."""
        self._scale(0)
        try:
            yield
        finally:
            self._scale(2)

    def pause(self, seconds: float) -> None:
        """Stop one for a while; it goes on with what it knew."""
        pod = self._one()
        stopped = [
            pid for pid, given in _processes_in(self._cluster) if given.get("POD_NAME") == pod
        ]
        _signal(stopped, signal.SIGSTOP)
        time.sleep(seconds)
        _signal(stopped, signal.SIGCONT)

    @contextmanager
    def rogue(self) -> Iterator[None]:
        """Let one more act beside the leader, as nobody should: it has a Lease of its own."""
        name = self._rogues.new_lease()
        spec = self._api.get(OPERATORS)["spec"]["template"]["spec"]
        spec["containers"][0]["args"].append(f"--lease-name={name}")
        pods = f"/api/v1/namespaces/{SYSTEM}/pods"
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self._api.create(pods, body)
        try:
            self._rogues.wait_for(name)
            yield
        finally:
            patiently(lambda: self._api.delete(f"{pods}/{name}"))

    def _one(self) -> str:
        name: str = self._rng.choice(self._cluster.operators())["metadata"]["name"]
        return name

    def _scale(self, replicas: int) -> None:
        patiently(lambda: self._api.merge(f"{OPERATORS}/scale", {"spec": {"replicas": replicas}}))


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _processes_in(cluster: Cluster) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the processes of a cluster's containers, and their environment."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):  # it has ended meanwhile
            if f"/penstock-{cluster.name}/" in (entry / "cgroup").read_text():
                given = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
                yield int(entry.name), dict(each.split("=", 1) for each in given if "=" in each)
