"""Nodes go away: politely, by a drain, and without a word, by a kubelet that dies.

Both happen to the last node, one after the other; everything else runs elsewhere.
"""

import threading
from datetime import datetime

import pytest
from tests.e2e.cluster import Cluster, Object, wait_until
from tests.e2e.hosts import alive, processes_of_pod
from tests.e2e.namespaces import Namespace, Run

pytestmark = pytest.mark.longest

NOT_SO_SOON_BY_ITSELF = 120
"""The figure is for `make bench`. By itself Kubernetes evicts after 300 s, and awaits the pod."""
POD_NAME = "authentication.kubernetes.io/pod-name"
_drained = threading.Event()


def _run_on_last_node(namespace: Namespace) -> Run:
    node = namespace.cluster.nodes()[-1]
    namespace.fragile_pool()
    run = namespace.run(namespace.flow("long_first_attempt"))
    run.until(lambda status: status["state"] == "Running", "it runs")
    assert namespace.kubectl("get", "pod", run.pod(), "-o", "jsonpath={.spec.nodeName}") == node
    return run


def _seconds_beyond_the_monitor(status: Object, cluster: Cluster, node: str) -> float:
    """Return how long after the node counted as lost the next attempt's flow began."""
    began = datetime.fromisoformat(status["execution"]["startedAt"])
    seconds = (began - cluster.lost_at(node)).total_seconds()
    print(f"lost node to next attempt, beyond the node monitor's grace: {seconds:.1f} s")
    return seconds


def test_a_drained_node_costs_one_attempt(namespace: Namespace) -> None:
    """The eviction is a disruption: it uses the recovery budget and nothing else."""
    node = namespace.cluster.nodes()[-1]
    try:
        run = _run_on_last_node(namespace)
        namespace.cluster.kubectl(
            *("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s"),
            *("--pod-selector", f"penstock.dev/run={run.name}"),
        )

        status = run.end()

        assert (status["state"], status["attempt"], status["recoveries"]) == ("Completed", 2, 1)
    finally:
        namespace.cluster.kubectl("uncordon", node)
        _drained.set()


def test_a_lost_node_is_fenced(namespace: Namespace) -> None:
    """The run goes on elsewhere while its old pod still lives; once refused, the old pod leaves."""
    _drained.wait(timeout=150)
    node = namespace.cluster.nodes()[-1]
    run = _run_on_last_node(namespace)
    old_pod = run.pod()
    old_processes = processes_of_pod(old_pod)
    namespace.cluster.lose_node(node)

    status = run.end(within=180)

    assert (status["state"], status["attempt"], status["recoveries"]) == ("Completed", 2, 1)
    assert _seconds_beyond_the_monitor(status, namespace.cluster, node) < NOT_SO_SOON_BY_ITSELF
    wait_until(
        lambda: not any(map(alive, old_processes)), "the fenced runner leaves by itself", within=90
    )
    assert run.status() == status
    refused = [
        event["responseStatus"]["code"]
        for event in namespace.cluster.audit()
        if event["verb"] in ("patch", "create")  # its report, or the next record of its journal
        and [old_pod] == event["user"].get("extra", {}).get(POD_NAME)
        and event["responseStatus"]["code"] >= 400
    ]
    assert refused, "the old pod never tried to write, so nothing was proven"
