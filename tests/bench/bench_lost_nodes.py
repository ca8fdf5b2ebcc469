"""How soon a run goes on whose node cannot be reached any more, once the node counts as lost.

The kubelet is killed, its pods go on: a partition. What Kubernetes takes to call the node lost (its
monitor's grace, 40 to 50 s by default) is not ours to shorten, and is shown beside.
"""

from datetime import UTC, datetime

from tests.bench.figures import Figure
from tests.e2e.cluster import Cluster
from tests.e2e.namespaces import Namespace


def main() -> None:
    cluster = Cluster.ensure("bench")
    namespace = Namespace(cluster, "bench-lost-nodes")
    try:
        cluster.install()
        namespace.create()
        namespace.fragile_pool()
        _measure(cluster, namespace)
    finally:
        cluster.down()


def _measure(cluster: Cluster, namespace: Namespace) -> None:
    node = cluster.nodes()[-1]
    run = namespace.run(namespace.flow("long_first_attempt"))
    run.until(lambda status: status["state"] == "Running", "it runs")
    cut = datetime.now(UTC)
    cluster.lose_node(node)
    status = run.end(within=300)
    assert status["attempt"] == 2, f"the pod was not on {node}: {status}"
    lost = cluster.lost_at(node)
    again = datetime.fromisoformat(status["execution"]["startedAt"])
    Figure(
        "unreachable node to next attempt, beyond the node monitor's grace",
        (again - lost).total_seconds(),
        "s",
        10,
        beside=f"the monitor took {(lost - cut).total_seconds():.0f} s",
    ).print()


if __name__ == "__main__":
    main()
