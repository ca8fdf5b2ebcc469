from __future__ import annotations

import json
from typing import Any

from penstock_operator.kube.caches import Cache, Caches, Name
from penstock_operator.reconcile.reading import read_job


def obj(name: str, version: int, *, uid: str | None = None, **more: Any) -> dict[str, Any]:
    meta = {
        "namespace": "team",
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    return {"metadata": meta, **more}


def test_the_latest_version_wins_whatever_the_order() -> None:
    cache = Cache()
    cache.put(obj("a", 12))

    news = cache.put(obj("a", 9))

    assert not news
    known = cache.get(Name("team", "a"))
    assert known is not None
    assert known["metadata"]["resourceVersion"] == "12"


def test_versions_are_compared_as_numbers() -> None:
    cache = Cache()
    cache.put(obj("a", 9))

    assert cache.put(obj("a", 10))


def test_a_late_answer_does_not_raise_the_dead() -> None:
    cache = Cache()
    cache.put(obj("a", 5))
    cache.remove(obj("a", 8))

    cache.put(obj("a", 7))

    assert cache.get(Name("team", "a")) is None


def test_a_successor_of_the_same_name_is_another_object() -> None:
    cache = Cache()
    cache.put(obj("a", 5, uid="first"))
    cache.put(obj("a", 9, uid="second"))

    cache.remove(obj("a", 8, uid="first"))

    known = cache.get(Name("team", "a"))
    assert known is not None
    assert known["metadata"]["uid"] == "second"


def test_an_object_that_comes_back_into_the_watch_is_known_again() -> None:
    cache = Cache()
    cache.put(obj("a", 5))
    cache.remove(obj("a", 8))

    assert cache.put(obj("a", 9))


def test_what_the_watch_would_not_show_is_gone() -> None:
    cache = Cache(belongs=lambda run: run.get("state") != "Completed")
    cache.put(obj("a", 5))

    cache.put(obj("a", 6, state="Completed"))

    assert len(cache) == 0
    assert not cache.put(obj("a", 5))


def test_the_index_follows_its_objects() -> None:
    cache = Cache(index=lambda run: [run["flow"]])
    cache.put(obj("a", 1, flow="daily"))
    cache.put(obj("b", 2, flow="daily"))
    cache.put(obj("a", 3, flow="weekly"))

    daily = cache.members(Name("team", "daily"))
    weekly = cache.members(Name("team", "weekly"))

    assert [run["metadata"]["name"] for run in daily] == ["b"]
    assert [run["metadata"]["name"] for run in weekly] == ["a"]
    assert cache.members(Name("other", "daily")) == []


def test_managed_fields_are_not_kept() -> None:
    cache = Cache()
    whole = obj("a", 1)
    whole["metadata"]["managedFields"] = [{"manager": "kubectl"}]

    cache.put(whole)

    known = cache.get(Name("team", "a"))
    assert known is not None
    assert "managedFields" not in known["metadata"]


def test_ten_thousand_objects_share_their_words() -> None:
    cache = Cache()
    for name in ("a", "b"):
        cache.put(json.loads(json.dumps(obj(name, 1, status={"state": "Suspended"}))))

    one, two = (found["status"] for found in cache)
    assert one["state"] is two["state"]
    assert next(iter(one)) is next(iter(two))


def test_only_what_plans_read_of_a_run_and_a_job_is_kept() -> None:
    caches = Caches()
    report = {"protocol": 1, "attempt": 1, "recent": [1] * 20, "tasks": [2] * 50, "result": {}}
    template = {"spec": {"terminationGracePeriodSeconds": 7, "containers": [1]}, "metadata": {}}
    caches.runs.put(obj("one", 1) | {"status": {"state": "Running", "execution": report}})
    caches.jobs.put(obj("one-1", 1) | {"spec": {"suspend": True, "template": template}})
    caches.signals.put(obj("hello", 1) | {"spec": {"name": "approve", "payload": {"é": [1, None]}}})

    (run,), (job,), (signal,) = caches.runs, caches.jobs, caches.signals
    assert run["status"] == {"state": "Running", "execution": {"protocol": 1, "attempt": 1}}
    assert read_job(job).grace_seconds == 7
    assert job["spec"] == {
        "suspend": True,
        "template": {"spec": {"terminationGracePeriodSeconds": 7}},
    }
    assert signal["spec"] == {"name": "approve", "payloadBytes": len('{"é":[1,null]}'.encode())}
