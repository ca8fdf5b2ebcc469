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


@pytest.fixture(scope="module")
def standing() -> Iterator[Devcluster]:
    """A cluster that is up, for the tests that leave it so."""
    one = Devcluster(f"t{os.getpid()}s")
    one.up("--api-only")
    yield one
    one.down()


@pytest.fixture
def cluster() -> Iterator[Devcluster]:
    one = Devcluster(f"t{os.getpid()}a")
    yield one
    one.down()


def test_two_clusters_come_up_at_once_and_stand_side_by_side(cluster: Devcluster) -> None:
    neighbour = Devcluster(f"t{os.getpid()}b")
    starting = [one.starting("--api-only") for one in (cluster, neighbour)]
    codes = [ended(process).code for process in starting]
    cluster.kubectl("create", "namespace", "here")
    elsewhere = neighbour.kubectl("get", "namespaces")
    neighbour.down()

    assert codes == [0, 0]
    assert "default" in elsewhere
    assert "here" not in elsewhere
    assert "here" in cluster.kubectl("get", "namespaces")


def test_bringing_up_what_is_up_changes_nothing(standing: Devcluster) -> None:
    before = standing.processes()
    standing.up("--api-only")

    assert before == standing.processes()


def test_bringing_up_what_has_lost_a_part_keeps_its_objects(standing: Devcluster) -> None:
    standing.kubectl("create", "namespace", "kept")
    standing.said("kill", "kube-apiserver")
    assert run("status", "--name", standing.name).code == 1
    standing.up("--api-only")

    assert standing.status()["healthy"]
    assert "kept" in standing.kubectl("get", "namespaces")


def test_the_audit_log_tells_who_wrote_what(standing: Devcluster) -> None:
    standing.kubectl("create", "job", "writes", "--image=none")

    log = Path(standing.said("audit-log")).read_text()
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


@pytest.mark.parametrize(
    ("milliseconds", "how"),
    [(200, signal.SIGINT), (500, signal.SIGTERM), (1200, signal.SIGINT)],
    ids=["at-its-beginning", "in-its-middle", "near-its-end"],
)
def test_an_interrupted_up_leaves_nothing(
    cluster: Devcluster, milliseconds: int, how: signal.Signals
) -> None:
    starting = cluster.starting("--api-only")
    time.sleep(milliseconds / 1000)
    stopped = interrupt(starting, how)

    assert stopped.code != 0, "it was up before it was interrupted"
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


def test_a_part_that_is_not_there_is_answered_with_those_that_are(standing: Devcluster) -> None:
    answer = run("logs", "kubelet", "--name", standing.name)

    assert answer.code == 1
    assert "it has etcd, kube-apiserver" in answer.errors
