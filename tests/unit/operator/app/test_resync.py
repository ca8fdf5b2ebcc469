from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator.app.test_triggers import Queued, obj, run
from tests.unit.operator.kube.fake_api import FakeApi

from penstock_operator.app.keys import Key, Kind
from penstock_operator.app.resync import Resync
from penstock_operator.app.triggers import Triggers
from penstock_operator.kube.caches import Caches, Name
from penstock_operator.kube.client import Client
from penstock_operator.kube.resources import FLOWS, JOBS, POOLS, RUNS, Resource


def put(api: FakeApi, resource: Resource, body: dict[str, Any]) -> dict[str, Any]:
    return api.put(resource.path(namespace="team", name=body["metadata"]["name"]), body)


def resync(api: FakeApi, queue: Queued, caches: Caches) -> Resync:
    return Resync(
        client=Client(api),
        caches=caches,
        triggers=Triggers(caches, queue),
        queue=queue,
        namespaces=("team",),
        settle_seconds=0,
    )


async def test_the_first_lists_fill_every_cache() -> None:
    api, caches = FakeApi(), Caches()
    put(api, POOLS, obj("default"))
    put(api, FLOWS, obj("daily"))
    put(api, RUNS, run("one"))
    put(api, JOBS, obj("one-1", labels={"penstock.dev/run": "one"}))

    await resync(api, Queued(), caches).fill_caches()

    sizes = [len(cache) for cache in (caches.pools, caches.flows, caches.runs, caches.jobs)]
    assert sizes == [1, 1, 1, 1]


async def test_only_unfinished_runs_and_jobs_of_runs_are_listed() -> None:
    api = FakeApi()

    await resync(api, Queued(), Caches()).fill_caches()

    selectors = {
        request.resource: (request.query.get("fieldSelector"), request.query.get("labelSelector"))
        for request in api.requests
    }
    assert selectors["jobs"] == (None, "penstock.dev/run")
    assert selectors["flowruns"] == (
        ",".join(
            f"status.state!={state}" for state in ("Completed", "Failed", "Crashed", "Cancelled")
        ),
        None,
    )


async def test_an_event_that_was_lost_is_made_good() -> None:
    api, caches, queue = FakeApi(), Caches(), Queued()
    caches.runs.put(put(api, RUNS, run("known")))
    put(api, RUNS, run("known"))
    put(api, RUNS, run("missed"))

    repaired = await resync(api, queue, caches).compare()

    assert repaired == 2
    assert set(queue.keys) == {Key(Kind.RUN, "team", "known"), Key(Kind.RUN, "team", "missed")}


async def test_a_deletion_that_was_missed_is_made_good() -> None:
    api, caches, queue = FakeApi(), Caches(), Queued()
    caches.jobs.put(obj("one-1", labels={"penstock.dev/run": "one"}))

    repaired = await resync(api, queue, caches).compare()

    assert repaired == 1
    assert len(caches.jobs) == 0
    assert queue.keys == [Key(Kind.RUN, "team", "one")]


async def test_what_was_created_after_the_list_stays_known() -> None:
    api, caches = FakeApi(), Caches()
    lists = 0

    def create_after_the_list(request: Any) -> None:
        nonlocal lists
        lists += 1
        if lists == 5:  # the Jobs are listed last
            caches.runs.put(put(api, RUNS, run("new")))

    api.before = create_after_the_list

    repaired = await resync(api, Queued(), caches).compare()

    assert repaired == 0
    assert caches.runs.get(Name("team", "new")) is not None


async def test_a_quiet_watch_needs_no_repair() -> None:
    api, caches = FakeApi(), Caches()
    caches.runs.put(put(api, RUNS, run("one")))

    repaired = await resync(api, Queued(), caches).compare()

    assert repaired == 0
    assert all(not request.path.endswith("/one") for request in api.requests)


def test_a_resync_queues_every_object_and_chore() -> None:
    caches, queue = Caches(), Queued()
    caches.pools.put(obj("default"))
    caches.flows.put(obj("daily"))
    caches.runs.put(run("one"))
    caches.jobs.put(obj("left-1", labels={"penstock.dev/run": "left"}))

    resync(FakeApi(), queue, caches).queue_all()

    assert set(queue.keys) == {
        Key(Kind.POOL, "team", "default"),
        Key(Kind.JOURNALS, "team", ""),
        Key(Kind.FLOW, "team", "daily"),
        Key(Kind.RUN, "team", "one"),
        Key(Kind.RUN, "team", "left"),
        Key(Kind.HISTORY, "team", "daily"),
        Key(Kind.SNAPSHOTS, "team", ""),
        Key(Kind.SIGNALS, "team", ""),
    }


class EnoughError(Exception):
    pass


async def test_what_the_start_has_queued_is_not_queued_again_by_the_first_resync() -> None:
    api, caches, queue = FakeApi(), Caches(), Queued()
    caches.pools.put(put(api, POOLS, obj("default")))
    caches.jobs.put(put(api, JOBS, obj("left-1", labels={"penstock.dev/run": "left"})))
    times: list[set[Key]] = []

    def next_resync(_: int) -> None:
        times.append(set(queue.keys))
        queue.keys.clear()
        if len(times) == 3:
            raise EnoughError

    with pytest.raises(EnoughError):
        await replace(resync(api, queue, caches), finished=next_resync).run(
            first_after=0.0, every=0.0
        )

    pool = Key(Kind.POOL, "team", "default")
    assert [pool in each for each in times] == [False, False, True]
    assert all(Key(Kind.RUN, "team", "left") in each for each in times[1:])
