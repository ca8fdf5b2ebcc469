"""One cluster for all tests, one namespace for each, and waiting that overlaps.

A test here mostly waits: for pods, for deadlines, for a lost node. So all tests but those marked
``exclusive`` start at once, each in a thread and a namespace of its own; what pytest then runs one
after the other is the look at how each ended. The exclusive ones disturb the whole cluster and run
last, one at a time.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.cluster import SYSTEM, Cluster
from tests.e2e.namespaces import Namespace

HERE = Path(__file__).parent
AT_ONCE = 8

_started = pytest.StashKey[dict[str, "Started"]]()


@dataclass(slots=True)
class Started:
    """A test under way in a thread."""

    namespace: Namespace
    ending: "Future[None]"
    report: str = ""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "exclusive: disturbs the whole cluster, so it runs alone and late"
    )
    config.addinivalue_line("markers", "longest: waits longer than the others, so it starts first")
    config.stash[_started] = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest waits first, so that they overlap with all else, and the exclusive last."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.e2e)
    ours.sort(
        key=lambda item: (
            _is_exclusive(item),
            item.get_closest_marker("longest") is None,
            item.path.name,
            item.reportinfo()[1] or 0,
            item.name,
        )
    )
    items[:] = [item for item in items if item not in ours] + ours


def _is_exclusive(item: pytest.Item) -> bool:
    return item.get_closest_marker("exclusive") is not None


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster with Penstock on it. ``E2E_KEEP=1`` leaves it up for the next session."""
    cluster = Cluster.ensure("e2e")
    try:
        cluster.protect_from_the_fragile_node()
        cluster.install()
        yield cluster
    finally:
        if not os.environ.get("E2E_KEEP"):
            cluster.down()


@pytest.fixture(scope="session", autouse=True)
def _concurrent_tests(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[None]:
    """Start every test that may share the cluster."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="e2e") as threads:
        for item in items:
            if HERE in item.path.parents and not _is_exclusive(item):
                started = Started(_namespace_for(item, cluster), Future())
                request.config.stash[_started][item.nodeid] = started
                threads.submit(_run, item, started)
        yield


def _namespace_for(item: pytest.Item, cluster: Cluster) -> Namespace:
    words = re.sub(r"[^a-z0-9]+", "-", item.name.lower()).strip("-")
    return Namespace(cluster, f"{words.removeprefix('test-')[:50].strip('-')}-{os.getpid()}")


def _run(item: pytest.Function, started: Started) -> None:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    try:
        started.namespace.create()
        item.obj(**parameters, namespace=started.namespace)
    except BaseException as error:  # pytest's own Skipped and Failed are among them
        started.report = _report(started.namespace)
        started.ending.set_exception(error)
    else:
        started.ending.set_result(None)
    started.namespace.delete()


def _report(namespace: Namespace) -> str:
    operators = ("logs", "--namespace", SYSTEM, "--all-containers", "--prefix", "--tail=200")
    logs = namespace.cluster.kubectl(
        *operators, "--selector=app.kubernetes.io/name=penstock", check=False
    )
    return f"{namespace.report()}\n$ kubectl {' '.join(operators)}\n{logs}"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for the test's thread instead of calling the test a second time."""
    started = pyfuncitem.config.stash[_started].get(pyfuncitem.nodeid)
    if started is None:
        return None
    try:
        started.ending.result()
    finally:
        if started.report:
            pyfuncitem.add_report_section("call", "cluster", started.report)
    return True


@pytest.fixture
def namespace(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Namespace]:
    """A namespace of the test's own, deleted afterwards."""
    started = request.config.stash[_started].get(request.node.nodeid)
    if started is not None:
        yield started.namespace
        return
    namespace = _namespace_for(request.node, cluster)
    namespace.create()
    failures = request.session.testsfailed
    yield namespace
    if request.session.testsfailed > failures:
        request.node.add_report_section("teardown", "cluster", _report(namespace))
    namespace.delete()
