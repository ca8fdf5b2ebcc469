"""A run knows which image it began with, and says so when a later attempt runs another one."""

from __future__ import annotations

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Operator

FIRST, OTHER = "registry.example/daily@sha256:aaaa", "registry.example/daily@sha256:bbbb"


def ran(cluster: Cluster, *, attempt: int, image: str) -> None:
    """Let the node tell what the newest pod of an attempt runs."""
    pod = cluster.newest_pod(attempt)
    assert pod is not None
    container = {"name": "flow", "image": "daily", "imageID": image, "state": {"running": {}}}
    pod["status"] = pod["status"] | {"containerStatuses": [container]}


def begun() -> tuple[Cluster, Operator]:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()
    cluster.claim(1)
    operator.settle()
    ran(cluster, attempt=1, image=FIRST)
    return cluster, operator


def relaunched(image: str, *, told: bool = True) -> tuple[Cluster, Operator]:
    """Return a run that was evicted, and whose second attempt has reported."""
    cluster, operator = begun()
    cluster.evict_pod(1)
    operator.settle()
    cluster.claim(2)
    operator.settle()
    if told:
        ran(cluster, attempt=2, image=image)
    return cluster, operator


def test_a_finished_run_tells_what_it_ran() -> None:
    cluster, operator = begun()
    cluster.finish(1)
    operator.settle()

    assert (cluster.status["imageID"], cluster.told_of_changes) == (FIRST, [])
    assert "lastImageID" not in cluster.status


def test_a_node_that_has_told_nothing_leaves_it_unknown() -> None:
    cluster, operator = begun()
    ran(cluster, attempt=1, image="")
    cluster.finish(1)
    operator.settle()

    assert cluster.state == "Completed"
    assert "imageID" not in cluster.status


def test_it_is_known_from_the_first_attempt_on() -> None:
    cluster, _ = begun()
    assert "imageID" not in cluster.status  # a write of its own is not worth it

    cluster, _ = relaunched(FIRST)

    assert cluster.status["imageID"] == FIRST


def test_another_image_is_told_some_seconds_after_the_start() -> None:
    cluster, operator = relaunched(OTHER)
    operator.wait(seconds=20)

    assert cluster.told_of_changes == ["ImageChanged"]
    assert (cluster.status["imageID"], cluster.status["lastImageID"]) == (FIRST, OTHER)
    assert "Its image has changed since the run began" in cluster.status["message"]


def test_another_image_is_told_at_the_latest_when_its_attempt_is_over() -> None:
    cluster, operator = relaunched(OTHER, told=False)
    operator.wait(seconds=60)
    assert cluster.told_of_changes == []

    ran(cluster, attempt=2, image=OTHER)
    cluster.evict_pod(2)
    operator.settle()

    assert cluster.told_of_changes == ["ImageChanged"]
    assert cluster.status["lastImageID"] == OTHER


def test_the_same_image_is_not_worth_a_word_nor_a_write() -> None:
    cluster, operator = relaunched(FIRST)
    before = len(cluster.writes)
    operator.wait(seconds=60)

    assert (cluster.told_of_changes, len(cluster.writes)) == ([], before)


def test_who_comes_back_to_the_first_image_says_nothing() -> None:
    cluster, operator = relaunched(OTHER)
    operator.wait(seconds=20)
    cluster.evict_pod(2)
    operator.settle()
    cluster.claim(3)
    ran(cluster, attempt=3, image=FIRST)
    operator.wait(seconds=20)

    assert cluster.told_of_changes == ["ImageChanged"]
    assert "Its image has changed" not in cluster.status["message"]


@pytest.mark.parametrize("length", [1024, 5000])
def test_whatever_a_node_tells_fits_into_the_status(length: int) -> None:
    cluster, operator = begun()
    ran(cluster, attempt=1, image="x" * length)
    cluster.finish(1)
    operator.settle()

    assert len(cluster.status["imageID"]) == 1024
