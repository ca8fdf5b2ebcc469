from __future__ import annotations

from penstock_operator.kube.caches import Name
from penstock_operator.kube.snapshots import SnapshotCache
from penstock_operator.reconcile.views import ConfigMapView


def snapshot(size: int) -> ConfigMapView:
    return ConfigMapView("s", data={"file-0": "x" * size})


def test_what_was_used_last_is_kept() -> None:
    cache = SnapshotCache(limit_bytes=100)
    cache.put(Name("team", "a"), snapshot(40))
    cache.put(Name("team", "b"), snapshot(40))
    cache.get(Name("team", "a"))

    cache.put(Name("team", "c"), snapshot(40))

    assert cache.get(Name("team", "a")) is not None
    assert cache.get(Name("team", "b")) is None
    assert cache.get(Name("team", "c")) is not None


def test_what_is_too_large_is_not_kept() -> None:
    cache = SnapshotCache(limit_bytes=100)

    cache.put(Name("team", "a"), snapshot(101))

    assert cache.get(Name("team", "a")) is None


def test_a_snapshot_that_is_put_twice_counts_once() -> None:
    cache = SnapshotCache(limit_bytes=100)

    for _ in range(3):
        cache.put(Name("team", "a"), snapshot(60))

    assert cache.get(Name("team", "a")) is not None
