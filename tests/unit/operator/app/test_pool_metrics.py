"""The series of work pools: one for each pool and each queue that it lists."""

from __future__ import annotations

from typing import Any

from penstock_operator.app.admission import Admission
from penstock_operator.app.metrics import Metrics
from penstock_operator.app.pool_metrics import pool_figures
from penstock_operator.kube.caches import Caches

Object = dict[str, Any]


def meta(name: str, version: int) -> Object:
    return {
        "name": name,
        "namespace": "team",
        "uid": name,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-21T09:00:00Z",
    }


def pool(name: str = "default", *, ready: bool = True, **spec: Any) -> Object:
    condition = {
        "type": "Ready",
        "status": str(ready),
        "reason": "Ready",
        "lastTransitionTime": "2026-11-21T09:00:00Z",
    }
    return {"metadata": meta(name, 1), "spec": spec, "status": {"conditions": [condition]}}


def run(name: str, state: str, *, queue: str = "default") -> Object:
    waits = state == "Scheduled"
    return {
        "metadata": meta(name, 2),
        "spec": {"flowRef": {"name": "daily"}, "queue": queue},
        "status": {
            "state": state,
            "workPool": "default",
            "reason": "WaitingForSlot" if waits else state,
            **({"waitingFor": {"kind": "Slot", "name": "default"}} if waits else {}),
        },
    }


def scraped(*objects: Object) -> dict[str, float]:
    """Return the series of pools by their name and labels."""
    caches, admission, metrics = Caches(), Admission(), Metrics()
    for each in objects:
        is_run = "flowRef" in each["spec"]
        (caches.runs if is_run else caches.pools).put(each)
        list((admission.saw_run if is_run else admission.saw_pool)(each))
    metrics.watch_pools(lambda: pool_figures(caches, admission))
    lines = metrics.text().decode().splitlines()
    series = (line.rpartition(" ") for line in lines if line.startswith("penstock_pool_"))
    return {name.removeprefix("penstock_pool_"): float(value) for name, _, value in series}


def test_a_pool_shows_who_works_and_who_waits_in_each_of_its_queues() -> None:
    series = scraped(
        pool(concurrency=1, queues=[{"name": "urgent"}]),
        run("a", "Running"),
        run("b", "Scheduled"),
        run("c", "Scheduled", queue="urgent"),
    )

    of_default = 'namespace="team",pool="default"'
    assert series[f'active_runs{{{of_default},queue="default"}}'] == 1
    assert series[f'queued_runs{{{of_default},queue="default"}}'] == 1
    assert series[f'queued_runs{{{of_default},queue="urgent"}}'] == 1
    assert series[f'active_runs{{{of_default},queue="urgent"}}'] == 0
    assert series[f"concurrency{{{of_default}}}"] == 1
    assert series[f"ready{{{of_default}}}"] == 1
    assert series[f"oldest_wait_seconds{{{of_default}}}"] > 0


def test_what_runs_say_adds_no_series() -> None:
    series = scraped(pool(), run("a", "Running", queue="a"), run("b", "Running", queue="b"))

    assert [name for name in series if name.startswith("active_runs")] == [
        'active_runs{namespace="team",pool="default",queue="default"}'
    ]
    assert series['active_runs{namespace="team",pool="default",queue="default"}'] == 2


def test_a_pool_that_cannot_be_used_is_told_from_one_that_can() -> None:
    broken = pool("broken")
    broken["spec"] = {"concurrency": "many"}

    series = scraped(pool("stalled", ready=False), broken)

    assert series['ready{namespace="team",pool="stalled"}'] == 0
    assert series['ready{namespace="team",pool="broken"}'] == 0


def test_nobody_waits_where_there_is_room() -> None:
    series = scraped(pool(concurrency=3), run("a", "Running"))

    assert series['oldest_wait_seconds{namespace="team",pool="default"}'] == 0
