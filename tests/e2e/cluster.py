"""The cluster under test: scripts/cluster brings it up, Helm installs Penstock, HTTP looks at it.

Waiting is polling, and a kubectl process per look would cost more CPU than the pods under test; so
looks go over one kept-alive connection pool, and kubectl is used where a person would type it.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from kubernetes.config import new_client_from_config

ROOT = Path(__file__).parents[2]
SYSTEM = "penstock-system"
# Long enough for a busy machine, short enough to see a deadline pass.
LAUNCH_DEADLINE = 40

FRAGILE = "penstock.dev/fragile"

Object = dict[str, Any]


class Refused(AssertionError):
    """The API server said no; the first argument is the HTTP status."""


def scripted(*command: str, **environment: str) -> str:
    """Run one of the project's scripts and return what it prints."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=-1,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def wait_until(holds: Callable[[], Any], what: str, *, within: float) -> Any:
    """Return the first truthy value of ``holds``; fail when there is none in ``within`` seconds."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(0.25)
    return found


@dataclass(slots=True)
class Cluster:
    """A running cluster with two nodes that take pods."""

    name: str
    kubeconfig: Path
    path: str
    images: Mapping[str, str] = field(default_factory=dict)
    _client: Any = None

    @classmethod
    def ensure(cls, purpose: str) -> "Cluster":
        """Bring up this checkout's cluster for that purpose, with the built images on its nodes."""
        name = f"{purpose}-{sha256(str(ROOT).encode()).hexdigest()[:6]}"
        kubeconfig = scripted("scripts/cluster", "ensure", "--name", name, "--nodes", "2")
        tools = scripted("scripts/cluster", "path", "--name", name).split()
        archives = scripted("scripts/build-images", "--print", "archives").splitlines()
        scripted("scripts/cluster", "load", "--name", name, *archives)
        references = scripted("scripts/build-images", "--print", "references").splitlines()
        images = {
            reference.rpartition("/")[2].partition(":")[0].removeprefix("penstock-"): scripted(
                "scripts/cluster", "image", "--name", name, reference
            )
            for reference in references
        }
        path = os.pathsep.join([*tools, str(ROOT / ".venv/bin"), os.environ["PATH"]])
        return cls(name, Path(kubeconfig), path, images)

    def down(self) -> None:
        scripted("scripts/cluster", "down", "--name", self.name)

    def environment(self) -> dict[str, str]:
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "PATH": self.path}

    def tool(
        self, *command: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> str:
        """Run kubectl, helm or penstock and return what it printed, on both streams."""
        done = subprocess.run(
            command,
            env=self.environment(),
            input=stdin if stdin is not None else "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return self.tool("kubectl", *arguments, stdin=stdin, check=check)

    def install(self, **values: str | int) -> None:
        """Install or upgrade the chart and wait until the operator is ready."""
        values = {
            "operator.image": self.images["operator"],
            "runner.image": self.images["runner"],
            **{
                f"launchDeadlines.{cause}Seconds": LAUNCH_DEADLINE
                for cause in ("image", "unschedulable", "quota", "pod")
            },
            **values,
        }
        settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        self.tool(
            *("helm", "upgrade", "--install", "penstock", str(ROOT / "charts/penstock")),
            *("--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "3m", *settings),
            timeout=240,
        )

    def request(
        self, method: str, path: str, body: object = None, content: str = "application/json"
    ) -> Object:
        """Make one request; an answer of 400 or more raises ``Refused``."""
        if self._client is None:
            self._client = new_client_from_config(config_file=str(self.kubeconfig))
        configuration = self._client.configuration
        headers = {auth["key"]: auth["value"] for auth in configuration.auth_settings().values()}
        answer = self._client.rest_client.pool_manager.request(
            method,
            configuration.host + path,
            body=None if body is None else json.dumps(body).encode(),
            headers=headers | {"Content-Type": content, "Accept": "application/json"},
            timeout=30.0,
        )
        answered: Object = json.loads(answer.data)
        if answer.status >= 400:
            raise Refused(answer.status, answered.get("message"))
        return answered

    def protect_from_the_fragile_node(self) -> None:
        """Keep all pods off the node that gets hurt, but those that tolerate it."""
        self.kubectl("taint", "node", self.nodes()[-1], f"{FRAGILE}=:NoSchedule", "--overwrite")

    def nodes(self) -> list[str]:
        """Return the nodes that take pods: the first is left alone, the last may be hurt."""
        nodes = self.request("GET", "/api/v1/nodes")["items"]
        return sorted(
            node["metadata"]["name"]
            for node in nodes
            if not any(
                taint["key"].endswith("control-plane") for taint in node["spec"].get("taints", [])
            )
        )

    def audit(self) -> list[Object]:
        """Return what the API server has answered so far, where its audit log can be read."""
        log = scripted("scripts/cluster", "audit-log", "--name", self.name)
        if not log:
            pytest.skip("this cluster keeps no audit log that we can read")
        events = map(json.loads, Path(log).read_text().splitlines())
        return [event for event in events if event["stage"] == "ResponseComplete"]

    def lose_node(self, name: str) -> None:
        """End the kubelet of that node for good, where the cluster is ours to break."""
        if scripted("scripts/cluster", "backend") == "context":
            pytest.skip("the nodes of a context of one's own are not ours to break")
        scripted("scripts/cluster", "lose-node", "--name", self.name, name)

    def lost_at(self, name: str) -> datetime:
        """Return when the node monitor held a node for lost, or for ready, last."""
        conditions = self.request("GET", f"/api/v1/nodes/{name}")["status"]["conditions"]
        (ready,) = (each for each in conditions if each["type"] == "Ready")
        return datetime.fromisoformat(ready["lastTransitionTime"])

    def operators(self) -> list[Object]:
        selector = "app.kubernetes.io/name%3Dpenstock,app.kubernetes.io/component%3Doperator"
        path = f"/api/v1/namespaces/{SYSTEM}/pods?labelSelector={selector}"
        pods: list[Object] = self.request("GET", path)["items"]
        return pods

    def leader(self) -> str:
        """Return the name of the operator's pod that holds the Lease, or nothing."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/penstock-operator"
        holder = self.request("GET", path)["spec"].get("holderIdentity") or ""
        names = [pod["metadata"]["name"] for pod in self.operators()]
        return next((name for name in names if holder.startswith(name)), "")
