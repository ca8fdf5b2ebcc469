"""A run that goes on with other code, or whose Flow was edited, says so once."""

from __future__ import annotations

from tests.unit.operator.reconcile.cluster import Cluster, Operator


def lost(**journal: object) -> tuple[Cluster, Operator]:
    """Return a run whose first attempt was evicted; the second reports a journal like that."""
    cluster = Cluster.with_run()
    assert cluster.flow is not None
    operator = Operator(cluster)
    operator.settle()
    cluster.claim(1)
    operator.settle()
    if not journal:
        cluster.flow["status"] = {"codeVersion": "0123456789"}
    cluster.evict_pod(1)
    operator.settle()
    cluster.claim(2, journal=journal)
    operator.settle()
    return cluster, operator


def test_a_run_tells_that_the_code_in_its_image_has_changed() -> None:
    cluster, operator = lost(entries=3, codeChanged=True)
    cluster.claim(2, pod=cluster.newest_pod(2), journal={"entries": 4, "codeChanged": True})
    operator.settle()

    assert cluster.told_of_changes == ["CodeChanged"]
    assert "Its code has changed since the attempt before" in cluster.status["message"]
    assert cluster.state == "Running"


def test_a_run_tells_that_it_keeps_to_the_flow_that_it_began_with() -> None:
    cluster, _ = lost()

    assert cluster.told_of_changes == ["FlowChanged"]


def test_a_run_whose_code_is_the_same_tells_nothing() -> None:
    cluster, _ = lost(entries=3)

    assert cluster.told_of_changes == []
