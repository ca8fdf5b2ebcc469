"""A development cluster comes up quickly, stands beside another, and leaves nothing behind."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.devclusters import Devcluster, ended, interrupt, run

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="a development cluster needs root for its network namespace"
)


@pytest.fixture(scope="module", autouse=True)
def binaries() -> None:
    """What these tests interrupt is a start, never a build."""
    assert run("build").code == 0


@pytest.fixture
def cluster() -> Iterator[Devcluster]:
    one = Devcluster(f"t{os.getpid()}a")
    yield one
    one.down()


@pytest.fixture
def neighbour() -> Iterator[Devcluster]:
    other = Devcluster(f"t{os.getpid()}b")
    yield other
    other.down()


def test_two_clusters_stand_side_by_side(cluster: Devcluster, neighbour: Devcluster) -> None:
    starting = cluster.starting("--api-only")
    neighbour.up("--api-only")
    assert ended(starting).code == 0
    cluster.kubectl("create", "namespace", "here")

    assert "here" in cluster.kubectl("get", "namespaces")
    assert "here" not in neighbour.kubectl("get", "namespaces")
    assert cluster.server() != neighbour.server()


def test_bringing_up_what_is_up_changes_nothing(cluster: Devcluster) -> None:
    cluster.up("--api-only")
    before = cluster.processes()
    cluster.up("--api-only")

    assert before == cluster.processes()


def test_bringing_up_what_has_lost_a_part_keeps_its_objects(cluster: Devcluster) -> None:
    cluster.up("--api-only")
    cluster.kubectl("create", "namespace", "kept")
    cluster.said("kill", "kube-apiserver")
    assert run("status", "--name", cluster.name).code == 1
    cluster.up("--api-only")

    assert cluster.status()["healthy"]
    assert "kept" in cluster.kubectl("get", "namespaces")


def test_the_audit_log_tells_who_wrote_what(cluster: Devcluster) -> None:
    cluster.up("--api-only")
    cluster.kubectl("create", "job", "writes", "--image=none")

    log = Path(cluster.said("audit-log")).read_text()
    writes = [json.loads(line) for line in log.splitlines()]
    assert {"admin"} == {
        write["user"]["username"]
        for write in writes
        if (write["verb"], write["objectRef"]["resource"]) == ("create", "jobs")
    }


def test_down_leaves_nothing(cluster: Devcluster) -> None:
    cluster.up("--api-only")
    assert cluster.remains() != []
    cluster.down()

    assert cluster.remains() == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
@pytest.mark.parametrize("milliseconds", [200, 500, 1200])
def test_an_interrupted_up_leaves_nothing(
    cluster: Devcluster, how: signal.Signals, milliseconds: int
) -> None:
    starting = cluster.starting("--api-only")
    time.sleep(milliseconds / 1000)
    stopped = interrupt(starting, how)

    assert stopped.code == 130, stopped.errors
    assert cluster.remains() == []


def test_an_interrupted_up_with_nodes_leaves_nothing(cluster: Devcluster) -> None:
    starting = cluster.starting("--nodes", "2")
    while not (Path("/sys/fs/cgroup/cpu") / f"penstock-{cluster.name}").exists():
        assert starting.poll() is None, "it came up too quickly to be interrupted"
        time.sleep(0.05)
    interrupt(starting, signal.SIGINT)

    assert cluster.remains() == []


def test_what_a_killed_up_left_does_not_hinder_the_next(cluster: Devcluster) -> None:
    starting = cluster.starting("--api-only")
    time.sleep(0.8)
    interrupt(starting, signal.SIGKILL)
    cluster.up("--api-only")

    assert "default" in cluster.kubectl("get", "namespaces")


def test_a_cluster_whose_machine_died_comes_up_anew(cluster: Devcluster) -> None:
    cluster.up("--api-only")
    cluster.kubectl("create", "namespace", "lost")
    for pid in cluster.processes():
        os.kill(pid, signal.SIGKILL)
    cluster.up("--api-only")

    assert "lost" not in cluster.kubectl("get", "namespaces")


def test_a_cluster_that_is_not_there_is_answered_with_the_command_that_makes_it() -> None:
    answer = run("kubeconfig", "--name", "nowhere")

    assert answer.code == 1
    assert "devcluster/devcluster up --name nowhere" in answer.errors


def test_a_bad_name_is_refused_in_a_sentence() -> None:
    answer = run("up", "--name", "../etc")

    assert answer.code == 2
    assert "cannot name a cluster" in answer.errors


def test_a_part_that_is_not_there_is_answered_with_those_that_are(cluster: Devcluster) -> None:
    cluster.up("--api-only")
    answer = run("logs", "kubelet", "--name", cluster.name)

    assert answer.code == 1
    assert "it has etcd, kube-apiserver" in answer.errors
