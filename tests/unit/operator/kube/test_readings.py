from __future__ import annotations

from typing import Any

from penstock_operator.kube.caches import Cache, Name
from penstock_operator.kube.readings import Readings

NAME = Name("team", "daily")


def flow(version: int) -> dict[str, Any]:
    meta = {"namespace": "team", "name": "daily", "uid": "uid", "resourceVersion": str(version)}
    return {"metadata": meta}


def test_an_object_is_read_once_as_long_as_it_stays_the_same() -> None:
    read: list[str] = []

    def version(obj: dict[str, Any]) -> str:
        read.append(obj["metadata"]["resourceVersion"])
        return read[-1]

    cache, readings = Cache(), Readings()
    cache.put(flow(1))
    before = [readings.of(version, cache, name=NAME) for _ in range(3)]
    cache.put(flow(2))

    after = [readings.of(version, cache, name=NAME) for _ in range(3)]

    assert (before, after) == (["1"] * 3, ["2"] * 3)
    assert read == ["1", "2"]


def test_nothing_is_read_of_an_object_that_is_gone() -> None:
    cache, readings = Cache(), Readings()
    cache.put(flow(1))
    readings.of(str, cache, name=NAME)

    cache.remove(flow(2))

    assert readings.of(str, cache, name=NAME) is None
