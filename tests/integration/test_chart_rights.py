"""An operator that has the chart's rights and no others takes a run from its creation to its end.

Missing rights show as errors in its log, or as a run that does not move.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.integration import charts
from tests.integration.apiserver import ApiServer
from tests.integration.world import Automaton, World

PROGRAM = Path(sys.executable).with_name("penstock-operator")
RIGHTS = ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "ServiceAccount")


@dataclass(frozen=True, slots=True)
class Process:
    """An operator's process, and what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def errors(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [line for line in lines if "forbidden: User" in line or " ERROR " in line]


def arguments_of(objects: list[charts.Object]) -> list[str]:
    (deployment,) = (item for item in objects if item["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return [word for word in container["args"] if not word.startswith("--http-port")]


def kubeconfig_of(api: ApiServer, home: str, path: Path) -> Path:
    """Write a kubeconfig for the operator's account."""
    account = f"{home}-penstock-operator"
    done = api.kubectl("create", "token", account, "--namespace", home)
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load(api.kubeconfig.read_text())
    context = {"cluster": config["clusters"][0]["name"], "user": "operator"}
    config["users"] = [{"name": "operator", "user": {"token": done.stdout.strip()}}]
    config["contexts"] = [{"name": "operator", "context": context}]
    config["current-context"] = "operator"
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    return path


@pytest.fixture(params=["all namespaces", "named namespaces"])
def operator(
    request: pytest.FixtureRequest, api: ApiServer, namespace: str, tmp_path: Path
) -> Iterator[Process]:
    """An operator installed in a namespace of its own, which serves all namespaces, or one."""
    home = f"op-{uuid.uuid4().hex[:8]}"
    named = request.param == "named namespaces"
    settings = [f"watchNamespaces={{{namespace},{home}}}"] if named else []
    objects = charts.render(*settings, "logFormat=text", release=home, namespace=home)
    rights = yaml.safe_dump_all(item for item in objects if item["kind"] in RIGHTS)
    api.create("/api/v1/namespaces", {"metadata": {"name": home}})
    done = api.kubectl("apply", "--server-side", "-f", "-", stdin=rights)
    assert done.returncode == 0, done.stderr
    environment = {
        "KUBECONFIG": str(kubeconfig_of(api, home, tmp_path / "kubeconfig")),
        "POD_NAMESPACE": home,
        "PATH": os.environ["PATH"],
    }
    log = tmp_path / "log"
    with log.open("wb") as stream:
        command = [PROGRAM, *arguments_of(objects), "--http-port=0"]
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    try:
        yield Process(process, log)
    finally:
        process.terminate()
        process.wait(timeout=60)
        api.kubectl("delete", "--wait=false", "-f", "-", stdin=rights)
        api.delete(f"/api/v1/namespaces/{home}")


def test_the_chart_gives_the_operator_what_it_needs(
    api: ApiServer, namespace: str, operator: Process
) -> None:
    world = World(api, namespace)
    world.create_pool()
    world.create_flow(history={"successfulRuns": 1})
    with Automaton(world) as cluster:
        for run in ("first", "second", "third"):
            world.create_run(run)
            try:
                world.wait_for_state(run, "Completed", within=30)
            except AssertionError:
                pytest.fail(operator.log.read_text()[-4000:])
        assert cluster.errors == []

    assert "\n".join(operator.errors()) == ""
    assert operator.process.poll() is None
