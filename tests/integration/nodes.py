"""A job controller and a kubelet for one namespace: each Job becomes a real runner process.

With an operator beside it, flows run here as they do in a cluster, but for containers.
"""

from __future__ import annotations

import base64
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import yaml
from tests.integration.apiserver import Object, Refused
from tests.integration.forgery import Pod, start_pod
from tests.integration.runner.processes import Place, RunnerProcess
from tests.integration.world import World


@dataclass(slots=True)
class _Pod:
    job: str
    process: RunnerProcess
    is_told: bool = False


class Node:
    """Runs the Jobs of a namespace; ``flows`` has the code of each Flow."""

    def __init__(
        self, world: World, *, folder: Path, flows: Mapping[str, str], linger_seconds: float = 0.3
    ) -> None:
        self._world = world
        self._folder = folder
        self._flows = flows
        self._linger = linger_seconds
        self._pods: dict[str, _Pod] = {}
        self._seen: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node", daemon=True)
        self.lines: list[str] = []
        """What the flows have printed, each line after the name of its Job."""
        self.started: list[str] = []
        """The Jobs that have had a pod."""
        self.errors: list[Exception] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for pod in self._pods.values():
            pod.process.close()

    @property
    def running(self) -> list[str]:
        """The Jobs that have a pod now."""
        return [pod.job for pod in list(self._pods.values())]

    def kill(self, job: str) -> None:
        """End the process of a Job's pod as the kernel does."""
        for pod in list(self._pods.values()):
            if pod.job == job:
                pod.process.signal(signal.SIGKILL)

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            try:
                jobs = self._world.list("jobs", labelSelector="penstock.dev/run")
                for job in jobs:
                    self._play(job)
                self._collect({job["metadata"]["uid"] for job in jobs})
            except Exception as error:
                self.errors.append(error)

    def _play(self, job: Object) -> None:
        meta = job["metadata"]
        pod = self._pods.get(meta["uid"])
        if meta.get("deletionTimestamp"):
            if pod is None:
                self._world.finish_deletion("jobs", meta["name"])
            elif not pod.is_told:
                pod.is_told = True
                pod.process.signal(signal.SIGTERM)
        elif job["spec"].get("suspend"):
            if pod is not None and not pod.is_told:
                pod.is_told = True
                pod.process.signal(signal.SIGTERM)
        elif meta["uid"] not in self._seen:
            self._seen.add(meta["uid"])
            self._pods[meta["uid"]] = self._start(job)

    def _collect(self, jobs: set[str]) -> None:
        for uid, pod in list(self._pods.items()):
            if uid not in jobs and not pod.is_told:
                pod.is_told = True
                pod.process.signal(signal.SIGTERM)
            if pod.process.process.poll() is None:
                continue
            code = pod.process.exit_code()
            self.lines += [f"{pod.job}: {line}" for line in pod.process.lines]
            pod.process.close()
            del self._pods[uid]
            with suppress(Refused):
                end = self._world.fail_job if code else self._world.complete_job
                end(pod.job)

    def _start(self, job: Object) -> _Pod:
        meta = job["metadata"]
        name, labels = meta["name"], meta["labels"]
        self.started.append(name)
        pod = start_pod(self._world.api, self._world.namespace, f"{name}-bcdfg")
        place = place_of(
            pod,
            self._world,
            folder=self._folder / pod.uid,
            run=labels["penstock.dev/run"],
            attempt=int(labels["penstock.dev/attempt"]),
        )
        flow = labels["penstock.dev/flow"]
        launch: Object = {"entrypoint": f"flow.py:{flow.replace('-', '_')}", "parameters": {}}
        self._world.start_job(name)
        process = RunnerProcess(
            place,
            code=self._flows[flow],
            launch=launch,
            PENSTOCK_LINGER_SECONDS=str(self._linger),
        )
        return _Pod(name, process)


Cluster = Callable[..., Node]
"""Makes Flows of some code by their names, and whatever runs them; `linger` is in seconds."""


def place_of(pod: Pod, world: World, *, folder: Path, run: str, attempt: int) -> Place:
    """Return what a kubelet gives to a pod, its credentials in the folder."""
    credentials = folder / "credentials"
    credentials.mkdir(parents=True)
    (credentials / "token").write_text(pod.api.headers["Authorization"].split()[1])
    (credentials / "ca.crt").write_text(_authority(world.api.kubeconfig))
    address = urlsplit(world.api.url)
    return Place(
        folder=folder,
        host=str(address.hostname),
        port=address.port or 443,
        credentials=credentials,
        namespace=world.namespace,
        run=run,
        attempt=attempt,
        pod_name=pod.name,
        pod_uid=pod.uid,
    )


def _authority(kubeconfig: Path) -> str:
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    if "certificate-authority-data" in cluster:
        return base64.b64decode(cluster["certificate-authority-data"]).decode()
    return Path(cluster["certificate-authority"]).read_text()
