"""Nodes whose pods are processes on this machine: as much of a kubelet as a Job and its pod need.

A node can be stopped: to the cluster it is gone then, but its processes go on, as those of a node
do that was cut off. When it is started again, it ends the processes whose pods are no more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import urllib3
from tests.chaos import clocks
from tests.chaos.cluster import RUN_LABEL, SPACE
from tests.chaos.volumes import mount
from tests.chaos.watching import Watch, patiently
from tests.integration.apiserver import ApiServer, Object, Refused

INTERVAL = 0.1
GRACE = 12
"""Seconds after which the controllers hold a node that is silent for lost; it beats each second."""


@dataclass(slots=True)
class Process:
    """The container `flow` of a pod."""

    pod: str
    run: str
    popen: subprocess.Popen[bytes]
    log: Path
    kill_at: float | None = None
    cut_off_until: float = 0.0
    """Until when nothing is done about its pod, as on a node that was cut off."""
    reported: bool = False

    def signal(self, number: int) -> bool:
        """Send a signal; return whether the process was there."""
        if self.popen.poll() is not None:
            return False
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)
        return True


@dataclass(frozen=True, slots=True)
class Line:
    """What a pod needs to reach the API server, and whose code it runs."""

    host: str
    port: int
    authority: str
    pythonpath: str
    code: dict[str, str]
    """Another path, by run."""
    shim: Path
    skews: tuple[int, ...]
    """Seconds by which clocks of pods may be wrong."""


@dataclass(slots=True)
class Node:
    """One kubelet; `stopped` makes it deaf and silent."""

    api: ApiServer
    name: str
    folder: Path
    line: Line
    stopped: threading.Event = field(default_factory=threading.Event)
    processes: dict[str, Process] = field(default_factory=dict)
    """By the pod's uid."""
    skews: dict[str, int] = field(default_factory=dict)
    """By how much the clock of each pod is wrong, by its uid."""
    _beat_at: float = 0.0

    def register(self) -> None:
        """Make the node's objects."""
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}}
        with suppress(Refused):
            self.api.create("/api/v1/nodes", body)
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": self.name, "leaseDurationSeconds": 40},
        }
        with suppress(Refused):
            self.api.create("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", lease)

    def sync(self, pods: dict[str, Object]) -> None:
        """Do for the node's pods what is due."""
        self._beat()
        for uid in set(self.processes) - set(pods):
            self.processes.pop(uid).signal(signal.SIGKILL)
        for uid, pod in pods.items():
            with suppress(Refused):
                self._sync_pod(uid, pod)

    def _sync_pod(self, uid: str, pod: Object) -> None:
        process = self.processes.get(uid)
        deleting = pod["metadata"].get("deletionTimestamp") is not None
        if process is None:
            if deleting:
                self._remove(pod)
            elif pod["status"].get("phase") == "Pending":
                self.processes[uid] = self._start(pod)
                self._report(pod, _running())
            return
        if time.monotonic() < process.cut_off_until:
            return
        if process.popen.poll() is not None:
            if not process.reported:
                self._report(pod, _ended(process.popen.returncode))
                process.reported = True
            if deleting:
                self._remove(pod)
        elif pod["status"].get("phase") == "Pending":  # the report of its start was lost
            self._report(pod, _running())
        elif deleting:
            _end(process, seconds=pod["metadata"].get("deletionGracePeriodSeconds", 30))

    def _start(self, pod: Object) -> Process:
        run = pod["metadata"]["labels"][RUN_LABEL]
        uid = pod["metadata"]["uid"]
        folder = self.folder / uid
        skew = self.skews[uid] = Random(uid).choice(self.line.skews)
        place = mount(self.api, pod, folder=folder, authority=self.line.authority)
        (container,) = (each for each in pod["spec"]["containers"] if each["name"] == "flow")
        environment = place.environment(container) | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": self.line.code.get(run, self.line.pythonpath),
            "KUBERNETES_SERVICE_HOST": self.line.host,
            "KUBERNETES_SERVICE_PORT": str(self.line.port),
            **clocks.environment(self.line.shim, skew),
        }
        log = folder / "log"
        command = [sys.executable, *container["command"][1:]]
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return Process(pod["metadata"]["name"], run, popen, log)

    def _report(self, pod: Object, status: Object) -> None:
        status = {"startTime": pod["status"].get("startTime", _now())} | status
        self.api.merge(f"{_path(pod)}/status", {"status": status})

    def _remove(self, pod: Object) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        self.api.request("DELETE", _path(pod), options)

    def _beat(self) -> None:
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + 1
        renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{self.name}"
        self.api.merge(lease, {"spec": {"renewTime": renewed}})
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
        times = {"lastHeartbeatTime": _now(), "lastTransitionTime": _now()}
        body = {"status": {"conditions": [ready | times], "capacity": {"pods": "1000"}}}
        self.api.merge(f"/api/v1/nodes/{self.name}/status", body)


class Nodes:
    """The nodes of the cluster, and who chooses one for each new pod."""

    grace = GRACE

    def __init__(self, nodes: list[Node], *, rng: Random) -> None:
        self.nodes = nodes
        self._cordoned: set[str] = set()
        self._rng = rng
        self._pods: dict[str, Object] = {}
        self._ended = threading.Event()
        self._api = nodes[0].api
        self._watch = Watch(
            self._api,
            f"/api/v1/namespaces/{SPACE}/pods",
            hear=self._hear,
            labelSelector=RUN_LABEL,
        )
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in nodes]

    @contextmanager
    def running(self) -> Iterator[Nodes]:
        """Run the nodes; in the end nothing of their pods is left."""
        for node in self.nodes:
            patiently(node.register)
        self._watch.start()
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._watch.stop()
            for thread in self._threads:
                thread.join()
            for node in self.nodes:
                for process in node.processes.values():
                    process.signal(signal.SIGKILL)
                    process.popen.wait()

    @property
    def names(self) -> list[str]:
        return [node.name for node in self.nodes]

    def stop(self, name: str) -> None:
        """Make a node deaf and silent; its processes go on."""
        self._node(name).stopped.set()

    def go_on(self, name: str) -> None:
        self._node(name).stopped.clear()

    def cordon(self, name: str) -> None:
        """Let no new pod be bound to a node."""
        self._cordoned.add(name)

    def uncordon(self, name: str) -> None:
        self._cordoned.discard(name)

    def _node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def pods(self, run: str = "") -> list[Object]:
        """Return the pods as they were last heard of."""
        pods = list(self._pods.values())
        return [pod for pod in pods if not run or pod["metadata"]["labels"][RUN_LABEL] == run]

    def processes(self, run: str = "") -> list[Process]:
        """Return the processes that live."""
        known = [process for node in self.nodes for process in list(node.processes.values())]
        return [
            each for each in known if each.popen.poll() is None and (not run or each.run == run)
        ]

    def log_of(self, pod_uid: str) -> str:
        for node in self.nodes:
            log = node.folder / pod_uid / "log"
            if log.exists():
                return log.read_text(errors="replace")
        return ""

    def skew_of(self, pod_uid: str) -> int:
        """Return the seconds by which the clock of a pod is, or was, wrong."""
        return next((n.skews[pod_uid] for n in self.nodes if pod_uid in n.skews), 0)

    def _hear(self, kind: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if kind == "DELETED":
            self._pods.pop(uid, None)
            return
        self._pods[uid] = pod
        if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
            self._bind(pod)

    def _bind(self, pod: Object) -> None:
        free = [
            node.name
            for node in self.nodes
            if not node.stopped.is_set() and node.name not in self._cordoned
        ]
        target = {"apiVersion": "v1", "kind": "Node", "name": self._rng.choice(free)}
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"]},
        }
        self._api.request("POST", f"{_path(pod)}/binding", body | {"target": target})

    def _run(self, node: Node) -> None:
        while not self._ended.wait(INTERVAL):
            if node.stopped.is_set():
                continue
            mine = {
                uid: pod
                for uid, pod in list(self._pods.items())
                if pod["spec"].get("nodeName") == node.name
            }
            with suppress(Refused, urllib3.exceptions.HTTPError, OSError, ValueError):
                node.sync(mine)


def _end(process: Process, *, seconds: float) -> None:
    if process.kill_at is None:
        process.kill_at = time.monotonic() + seconds
        process.signal(signal.SIGTERM)
    elif time.monotonic() > process.kill_at:
        process.signal(signal.SIGKILL)


def _running() -> Object:
    return {"phase": "Running"} | _container({"running": {"startedAt": _now()}})


def _ended(code: int) -> Object:
    number = 128 - code if code < 0 else code
    reason = "Completed" if number == 0 else "Error"
    ended = {"exitCode": number, "reason": reason, "finishedAt": _now()}
    phase = "Succeeded" if number == 0 else "Failed"
    return {"phase": phase} | _container({"terminated": ended})


def _container(state: Object) -> Object:
    status = {"name": "flow", "image": "none", "imageID": "none", "restartCount": 0, "state": state}
    return {"containerStatuses": [status | {"ready": "running" in state}]}


def _path(pod: Object) -> str:
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
