"""Operators die, double, are upgraded; runs do not notice."""

import json
import subprocess

import pytest
from tests.e2e.cluster import ROOT, SYSTEM, Cluster, wait_until
from tests.e2e.namespaces import Namespace, Run

pytestmark = pytest.mark.exclusive


def _each_launched_once(runs: list[Run]) -> None:
    for run in runs:
        status = run.end()
        assert (status["state"], status["attempt"], status["recoveries"]) == ("Completed", 1, 0)
    assert sorted(runs[0].namespace.jobs()) == sorted(f"{run.name}-1" for run in runs)


def test_a_killed_operator_leaves_no_trace_in_the_runs(namespace: Namespace) -> None:
    """Runs before, during and after the gap end right, with one Job each."""
    namespace.pool()
    flow = namespace.flow("steps")
    parameters = {"count": 30, "seconds": 0.2}
    runs = [namespace.run(flow, parameters, name=f"before-{number}") for number in range(3)]
    runs[0].until(lambda status: status["state"] == "Running", "it runs")
    namespace.cluster.kubectl(
        *("delete", "pod", "--namespace", SYSTEM, "--force", "--grace-period=0"),
        *(pod["metadata"]["name"] for pod in namespace.cluster.operators()),
    )
    runs += [namespace.run(flow, name=f"during-{number}") for number in range(3)]

    _each_launched_once(runs)


def test_two_operators_at_once_agree(namespace: Namespace) -> None:
    """A second one with another Lease believes to be alone; still nothing is made or launched
    twice."""
    if "system:masters" not in namespace.kubectl("auth", "whoami"):
        pytest.skip("the admission policies let nobody but the operator and system:masters in")
    namespace.pool()
    flow = namespace.flow("steps", history={"successfulRuns": 1000})
    other = subprocess.Popen(
        [
            *(str(ROOT / ".venv/bin/penstock-operator"), "--lease-namespace", namespace.name),
            *("--runner-image", namespace.cluster.images["runner"], "--http-port", "18080"),
            *("--runner-cluster-role", "penstock-runner"),
        ],
        env=namespace.cluster.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lease = ("get", "lease", "penstock-operator", "-o", "jsonpath={.spec.holderIdentity}")
        wait_until(
            lambda: namespace.kubectl(*lease, check=False), "the second one leads", within=90
        )
        namespace.schedule("often", flow, interval={"seconds": 1}, parameters={"count": 1})
        runs = [namespace.run(flow, name=f"run-{number}") for number in range(6)]
        wait_until(lambda: len(namespace.runs_of("often")) >= 4, "it ticks", within=120)
        suspended = '{"spec": {"suspend": true}}'
        namespace.kubectl("patch", "schedule", "often", "--type=merge", "--patch", suspended)
        wait_until(
            lambda: namespace.schedule_status("often").get("paused"), "it is paused", within=60
        )
        ticks = namespace.runs_of("often")

        _each_launched_once([*runs, *ticks])
        assert namespace.schedule_status("often")["started"] == len(ticks)
    finally:
        other.terminate()
        errors = other.communicate(timeout=90)[1]
    assert "Traceback" not in errors


def test_a_standby_takes_over(cluster: Cluster, namespace: Namespace) -> None:
    """Of two replicas one leads; when it goes, the other one does its work."""
    cluster.install(replicas=2)
    wait_until(lambda: len(cluster.operators()) == 2, "there are two operators", within=60)
    leader = wait_until(cluster.leader, "one of them leads", within=60)
    cluster.kubectl("delete", "pod", "--namespace", SYSTEM, leader)
    namespace.pool()

    status = namespace.run(namespace.flow("steps")).end()

    assert status["state"] == "Completed"
    assert cluster.leader() != leader


def test_an_upgrade_changes_the_operator_under_a_run(
    cluster: Cluster, namespace: Namespace
) -> None:
    namespace.pool()
    run = namespace.run(namespace.flow("steps"), {"count": 40, "seconds": 0.3})
    run.until(lambda status: status["state"] == "Running", "it runs")
    before = {pod["metadata"]["uid"] for pod in cluster.operators()}
    cluster.install(replicas=1, **{"podAnnotations.upgraded": "again"})

    status = run.end()

    assert (status["state"], status["attempt"]) == ("Completed", 1)
    after = wait_until(
        lambda: {pod["metadata"]["uid"] for pod in cluster.operators()} - before,
        "a new operator",
        within=60,
    )
    assert after


def test_helm_test_passes(cluster: Cluster) -> None:
    printed = cluster.tool(
        "helm", "test", "penstock", "--namespace", SYSTEM, "--timeout", "2m", timeout=150
    )

    assert "Succeeded" in printed


def test_the_operator_counts_what_it_did(cluster: Cluster) -> None:
    """The metrics are reachable and speak of launches."""
    pod = cluster.operators()[0]["metadata"]["name"]
    metrics = cluster.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{SYSTEM}/pods/{pod}:8080/proxy/metrics"
    )

    assert "penstock_run_launches_total" in metrics
    assert json.dumps(cluster.nodes()[0]) not in metrics
