"""A namespace of one test: its pool, its flows, its runs."""

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.cluster import FRAGILE, Cluster, Object, wait_until

GROUP = "/apis/penstock.dev/v1alpha1"
FLOWS = Path(__file__).with_name("flows.py")
TERMINAL = {"Completed", "Failed", "Crashed", "Cancelled"}


def _on_the_fragile_node(name: str) -> Object:
    """Prefer that node, so that there is somewhere to go when it is hurt."""
    wish = {"key": "kubernetes.io/hostname", "operator": "In", "values": [name]}
    preference = {"weight": 100, "preference": {"matchExpressions": [wish]}}
    return {
        "affinity": {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}
        },
        "tolerations": [{"key": FRAGILE, "operator": "Exists"}],
    }


@dataclass(slots=True)
class Namespace:
    """Creates objects the way a person would: by what they hold, with defaults for the rest."""

    cluster: Cluster
    name: str

    def create(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}
        self.cluster.request("POST", "/api/v1/namespaces", body)

    def delete(self) -> None:
        self.cluster.kubectl("delete", "namespace", self.name, "--wait=false", check=False)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return self.cluster.kubectl("--namespace", self.name, *arguments, stdin=stdin, check=check)

    def logs(self, job: str) -> str:
        """Return what the pod of a Job printed, once its end is known.

        The run may be Completed before the kubelet has said that its container started, and until
        then there are no logs to be had.
        """
        self.kubectl("wait", "--for=condition=Complete", "--timeout=60s", f"job/{job}")
        return self.kubectl("logs", f"job/{job}")

    def penstock(self, *arguments: str) -> tuple[int, str]:
        """Run our command line; return its exit code and what it printed."""
        started = self._start("penstock", *arguments)
        printed = started.communicate(timeout=120)[0]
        return started.returncode, printed

    def follow(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start kubectl and leave it running; its output is read by ``communicate``."""
        return self._start("kubectl", *arguments)

    def follow_pod(self, pod: str) -> "subprocess.Popen[str]":
        """Follow the log of a pod once the kubelet says that it runs: before, there is none."""
        self.kubectl(
            "wait", "--for=jsonpath={.status.phase}=Running", "--timeout=60s", f"pod/{pod}"
        )
        return self.follow("logs", "--follow", pod)

    def follow_logs(self, run: str) -> "subprocess.Popen[str]":
        """Start our own command for logs, and return once it has printed a line."""
        started = self._start("penstock", "logs", "--follow", run)
        assert started.stdout is not None
        started.stdout.readline()
        return started

    def _start(self, program: str, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [program, *arguments, "--namespace", self.name],
            env=self.cluster.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pool(self, **spec: Any) -> None:
        """Create the pool ``default``."""
        self._post("workpools", "WorkPool", "default", spec)

    def fragile_pool(self) -> None:
        """Create the pool ``default`` for pods that shall be on the node that is hurt."""
        template = {"spec": _on_the_fragile_node(self.cluster.nodes()[-1])}
        self.pool(podTemplate=template)

    def flow(self, entrypoint: str, **spec: Any) -> str:
        """Create a Flow of one of the functions in flows.py, and return its name."""
        name = entrypoint.replace("_", "-")
        body = {
            "source": {"inline": {"files": {"flows.py": FLOWS.read_text()}}},
            "entrypoint": f"flows.py:{entrypoint}",
            **spec,
        }
        self._post("flows", "Flow", name, body)
        return name

    def limit(self, name: str, *, limit: int) -> None:
        """Create a ConcurrencyLimit."""
        self._post("concurrencylimits", "ConcurrencyLimit", name, {"limit": limit})

    def schedule(self, name: str, flow: str, **spec: Any) -> None:
        """Create a Schedule of a flow."""
        self._post("schedules", "Schedule", name, {"flowRef": {"name": flow}, **spec})

    def schedule_status(self, name: str) -> Object:
        path = f"{GROUP}/namespaces/{self.name}/schedules/{name}"
        status: Object = self.cluster.request("GET", path)["status"]
        return status

    def runs_of(self, schedule: str) -> "list[Run]":
        """Return the runs that a Schedule made, in the order of their moments."""
        selector = f"labelSelector=penstock.dev/schedule%3D{schedule}"
        path = f"{GROUP}/namespaces/{self.name}/flowruns?{selector}"
        names = [run["metadata"]["name"] for run in self.cluster.request("GET", path)["items"]]
        return [Run(self, name) for name in sorted(names)]

    def run(
        self,
        flow: str,
        parameters: Mapping[str, object] | None = None,
        *,
        name: str = "",
        **spec: Any,
    ) -> "Run":
        """Create a FlowRun."""
        run = Run(self, name or flow)
        body = {"flowRef": {"name": flow}, "parameters": dict(parameters or {}), **spec}
        self._post("flowruns", "FlowRun", run.name, body)
        return run

    def started(
        self, entrypoint: str, parameters: Mapping[str, object] | None = None, **spec: Any
    ) -> "Run":
        """Create pool, flow and run, and return the run once its runner has reported."""
        self.pool()
        run = self.run(self.flow(entrypoint, **spec), parameters)
        run.until(lambda status: status["state"] == "Running", "it runs", within=90)
        return run

    def jobs(self) -> list[str]:
        items = self.cluster.request("GET", f"/apis/batch/v1/namespaces/{self.name}/jobs")["items"]
        return [item["metadata"]["name"] for item in items]

    def lost_attempts(self) -> list[str]:
        """Return what `kubectl describe` shows of attempts that were lost, once there is one."""
        path = f"/api/v1/namespaces/{self.name}/events?fieldSelector=reason%3DAttemptLost"

        def told() -> list[str]:
            return [each["message"] for each in self.cluster.request("GET", path)["items"]]

        words: list[str] = wait_until(told, "somebody is told of a lost attempt", within=60)
        return words

    def pods(self) -> list[str]:
        """Return the pods that have not ended, but for those that belong to no run."""
        selector = "--field-selector=status.phase!=Succeeded,status.phase!=Failed"
        return self.kubectl("get", "pods", selector, "-l", "penstock.dev/run", "-o", "name").split()

    def report(self) -> str:
        """Return what a person would look at when a test fails here."""
        looks = [
            ("get", "flowruns,flows,workpools,jobs,pods", "-o", "wide"),
            ("get", "flowruns", "-o", "yaml"),
            ("describe", "pods"),
            ("get", "events", "--sort-by=.lastTimestamp"),
        ]
        return "\n".join(
            f"$ kubectl {' '.join(look)}\n{self.kubectl(*look, check=False)}" for look in looks
        )

    def _post(self, plural: str, kind: str, name: str, spec: Object) -> None:
        body = {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        path = f"{GROUP}/namespaces/{self.name}/{plural}?fieldValidation=Strict"
        self.cluster.request("POST", path, body)


@dataclass(slots=True)
class Run:
    """One FlowRun, looked at again and again."""

    namespace: Namespace
    name: str

    @property
    def path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace.name}/flowruns/{self.name}"

    def status(self) -> Object:
        status: Object = self.namespace.cluster.request("GET", self.path)["status"]
        return {"state": None, "attempt": 0} | status

    def patch(self, spec: Object) -> None:
        self.namespace.cluster.request(
            "PATCH", self.path, {"spec": spec}, "application/merge-patch+json"
        )

    def until(self, holds: Callable[[Object], object], what: str, *, within: float = 90) -> Object:
        """Return the first status for which ``holds``; fail when the run has ended without it."""
        deadline = time.monotonic() + within
        while True:
            status = self.status()
            if holds(status):
                return status
            ended = status["state"] in TERMINAL
            assert not ended, f"{self.name} ended before {what}: {status}"
            assert time.monotonic() < deadline, (
                f"{self.name}: not within {within} s: {what}: {status}"
            )
            time.sleep(0.25)

    def end(self, *, within: float = 120) -> Object:
        """Return the status with which the run ended."""
        return self.until(lambda status: status["state"] in TERMINAL, "it ends", within=within)

    def pod(self, attempt: int = 1) -> str:
        """Return the name of the pod of that attempt, once there is one."""
        selector = f"batch.kubernetes.io/job-name%3D{self.name}-{attempt}"
        path = f"/api/v1/namespaces/{self.namespace.name}/pods?labelSelector={selector}"

        def first_pod() -> str | None:
            items = self.namespace.cluster.request("GET", path)["items"]
            return items[0]["metadata"]["name"] if items else None

        return str(wait_until(first_pod, f"{self.name} has a pod of attempt {attempt}", within=60))
