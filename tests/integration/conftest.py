"""A real API server for the session, with the CRDs installed, and a namespace for each test.

PENSTOCK_TEST_KUBECONFIG names one that runs already; else scripts/cluster brings one up and
removes it.
"""

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.integration import charts
from tests.integration.apiserver import GROUP, ApiServer
from tests.integration.forgery import admit_runners
from tests.integration.journals import Journal, create_journal
from tests.integration.nodes import Cluster, Node
from tests.integration.world import Operator, World

from penstock_operator.reconcile.settings import Settings

ROOT = Path(__file__).parents[2]
KINDS = (
    "flows",
    "flowruns",
    "workpools",
    "schedules",
    "concurrencylimits",
    "signals",
    "journalsegments",
)
RBAC = ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "ServiceAccount")
POLICY = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session", autouse=True)
def _tools() -> Iterator[None]:
    """Put kubectl and Helm first on the PATH, where the cluster brings its own."""
    with pytest.MonkeyPatch.context() as environment:
        if folder := _cluster("path").strip():
            environment.setenv("PATH", folder, prepend=os.pathsep)
        yield


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """The path of the kubeconfig of an API server; nothing else needs to run in its cluster."""
    if given := os.environ.get("PENSTOCK_TEST_KUBECONFIG"):
        yield Path(given)
        return
    name = f"it-{os.getpid()}"
    try:
        yield Path(_cluster("ensure", "--name", name, "--api-only").strip())
    finally:
        _cluster("down", "--name", name)


@pytest.fixture(scope="session")
def server(kubeconfig: Path) -> ApiServer:
    """The API server, before anything of Penstock is installed into it by a fixture."""
    return ApiServer.from_kubeconfig(kubeconfig)


@pytest.fixture(scope="session")
def api(server: ApiServer) -> ApiServer:
    """The API server with the CRDs of the repository installed and served."""
    done = server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    assert done.returncode == 0, done.stderr
    names = [f"crd/{kind}.penstock.dev" for kind in KINDS]
    done = server.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    assert done.returncode == 0, done.stderr
    _wait_until_served(server)
    return server


@pytest.fixture
def namespace(api: ApiServer) -> Iterator[str]:
    """The name of a namespace of one's own."""
    name = f"it-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api.create("/api/v1/namespaces", body)
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def world(api: ApiServer, namespace: str) -> World:
    """That namespace, with people, cluster and runner to act in it."""
    return World(api, namespace)


@pytest.fixture
def operator(kubeconfig: Path, world: World) -> Iterator[Operator]:
    """An operator that serves that namespace."""
    with Operator(kubeconfig, world.namespace) as running:
        yield running.wait_until_acting()


@pytest.fixture(scope="session")
def release(api: ApiServer) -> Iterator[str]:
    """The name of a release, and of its namespace; its rights and its policy are installed.

    The policy holds in namespaces with the label `release=<name>` and leaves other tests alone.
    """
    with charts.rights(api) as name:
        yield name


@pytest.fixture
def cluster(world: World, release: str, kubeconfig: Path, tmp_path: Path) -> Iterator[Cluster]:
    """Make Flows of some code, and whatever runs them."""
    settings = Settings(runner_image="runner:test", runner_cluster_role=f"{release}-runner")
    labels = {"metadata": {"labels": {"release": release}}}
    world.api.merge(f"/api/v1/namespaces/{world.namespace}", labels)
    with ExitStack() as stack:

        def cluster(*, linger: float = 0.3, **flows: str) -> Node:
            node = Node(world, folder=tmp_path, flows=flows, linger_seconds=linger)
            operator = Operator(kubeconfig, world.namespace, settings=settings)
            stack.enter_context(operator).wait_until_acting()
            stack.enter_context(node)
            world.create_pool()
            for flow in flows:
                world.create_flow(flow, entrypoint=f"flow.py:{flow}")
            return node

        yield cluster


def _cluster(*arguments: str) -> str:
    done = subprocess.run(
        (ROOT / "scripts/cluster", *arguments), cwd=ROOT, stdout=-1, text=True, check=True
    )
    return done.stdout


def _wait_until_served(server: ApiServer) -> None:
    """Established comes a little before the handlers of the kinds do."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        served = {item["name"] for item in server.get(GROUP)["resources"]}
        if served.issuperset(KINDS):
            return
        time.sleep(0.1)
    raise AssertionError("The API server does not serve the kinds of penstock.dev.")


@pytest.fixture
def journal(api: ApiServer, namespace: str, release: str, tmp_path: Path) -> Iterator[Journal]:
    """The empty journal of the run `daily` at its first attempt, with the policies in force."""
    admit_runners(api, namespace, release=release)
    journal = create_journal(api, namespace, "daily", tmp_path)
    journal.wait_until_in_force()
    yield journal
    journal.close()
