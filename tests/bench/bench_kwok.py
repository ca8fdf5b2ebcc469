"""A thousand pods at once, which only pretend to run: how fast runs get theirs, and are ended.

API server, controllers and scheduler are real, kwok stands in for the kubelets, and the runners'
reports are played. The controllers' rate is not limited to the default, which would be the figure.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.bench.figures import Figure, share
from tests.bench.stage import OperatorProcess, api_server, namespace, operator, pretended_nodes
from tests.bench.watching import watch
from tests.integration.apiserver import Object
from tests.integration.world import World, eventually

RUNS, NODES, PEOPLE = 1_000, 10, 8
POD = {
    "spec": {
        "nodeSelector": {"kubernetes.io/kwok": "true"},
        "tolerations": [{"key": "kubernetes.io/kwok", "operator": "Exists"}],
    }
}


def main() -> None:
    with api_server() as server, namespace(server, "bench-kwok") as world:
        pretended_nodes(NODES)
        world.create_pool(podTemplate=POD)
        world.create_flow(history={"successfulRuns": RUNS})
        with operator(world) as process:
            _measure(world, process)


def _measure(world: World, process: OperatorProcess) -> None:
    pods = Pods.followed(world)
    cpu, began = process.cpu_seconds(), time.monotonic()
    created: dict[str, float] = {}

    def create(number: int) -> None:
        created[f"run-{number}"] = time.monotonic()
        world.create_run(f"run-{number}")

    with ThreadPoolExecutor(PEOPLE) as people:
        list(people.map(create, range(RUNS)))
        eventually(lambda: len(pods.started) >= RUNS, within=900, what="all pods run")
        rate = RUNS / (max(pods.started.values()) - began)
        delays = sorted(pods.started[run] - created[run] for run in created)
        ending = time.monotonic()
        list(people.map(pods.complete, created))
        eventually(lambda: process.metric("penstock_unfinished_runs") == 0, within=900)
    ended = RUNS / (time.monotonic() - ending)
    beside = f"median {share(delays, 0.5):.3g} s for each"
    name = f"{RUNS:,} runs submitted at once → their pods run"
    Figure(name, rate, "a second", 10, "more", beside).print()
    Figure(f"{RUNS:,} pods end at once → their runs ended", ended, "a second", 10, "more").print()
    busy = (process.cpu_seconds() - cpu) * 1000 / RUNS
    Figure("operator's processor time for a whole run", busy, "ms", 50).print()
    completed = process.metric("penstock_runs_total", state="Completed")
    assert completed == RUNS, f"{completed:.0f} runs completed"
    assert process.metric("penstock_run_launches_total") == RUNS, "a run was launched twice"


@dataclass(slots=True)
class Pods:
    """The pods of a namespace, and the runners in them."""

    world: World
    started: dict[str, float] = field(default_factory=dict)
    """When the pod of each run was seen to run."""
    _pods: dict[str, Object] = field(default_factory=dict)

    @classmethod
    def followed(cls, world: World) -> Pods:
        pods = cls(world)
        threading.Thread(target=pods._follow, daemon=True).start()
        return pods

    def complete(self, run: str) -> None:
        """Report that the run has completed, and end its pod."""
        pod = self._pods[run]
        self.world.report_outcome(
            run, attempt=1, pod_uid=pod["metadata"]["uid"], podName=pod["metadata"]["name"]
        )
        ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        containers = [
            {**each, "ready": False, "state": ended} for each in pod["status"]["containerStatuses"]
        ]
        status = {"phase": "Succeeded", "containerStatuses": containers}
        self.world.set_pod_status(pod["metadata"]["name"], status)

    def _follow(self) -> None:
        with ThreadPoolExecutor(PEOPLE) as runners:
            for event in watch(self.world.api, self.world.path("pods")):
                pod = event["object"]
                run = pod["metadata"].get("labels", {}).get("penstock.dev/run")
                if pod["status"].get("phase") == "Running" and run not in self.started:
                    self._pods[run] = pod
                    self.started[run] = time.monotonic()
                    runners.submit(self._begin, run, pod)

    def _begin(self, run: str, pod: Object) -> None:
        meta = pod["metadata"]
        self.world.report(run, attempt=1, pod_uid=meta["uid"], podName=meta["name"], progress="0/1")


if __name__ == "__main__":
    main()
