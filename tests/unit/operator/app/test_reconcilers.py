from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator.app.test_triggers import Queued
from tests.unit.operator.kube.fake_api import FakeApi, refusal

from penstock_operator.app.keys import Key, Kind
from penstock_operator.app.reconcilers import Reconcilers
from penstock_operator.app.triggers import Triggers
from penstock_operator.kube.caches import Caches
from penstock_operator.kube.client import Client
from penstock_operator.kube.errors import Unavailable
from penstock_operator.kube.execute import Executor
from penstock_operator.kube.resources import (
    CONFIG_MAPS,
    FLOWS,
    JOBS,
    POOLS,
    RUNS,
    SCHEDULES,
    SIGNALS,
    Resource,
)
from penstock_operator.kube.transport import Request
from penstock_operator.reconcile.actions import Action
from penstock_operator.reconcile.settings import Settings

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
RUN = Key(Kind.RUN, "team", "one")
FLOW_SPEC = {
    "source": {"inline": {"files": {"flow.py": "def daily(): ..."}}},
    "entrypoint": "flow.py:daily",
}


class Place:
    """A namespace with a pool and a flow that are ready, and the reconcilers that serve it."""

    def __init__(self) -> None:
        self.api, self.caches, self.queue = FakeApi(), Caches(), Queued()
        self.done: list[Action] = []
        client = Client(self.api)
        triggers = Triggers(self.caches, self.queue)
        self.reconcilers = Reconcilers(
            client=client,
            caches=self.caches,
            triggers=triggers,
            queue=self.queue,
            executor=Executor(client, witness=triggers, done=self.done.append),
            settings=Settings(runner_image="runner:1", runner_cluster_role="penstock-runner"),
            now=lambda: NOW,
        )
        self.put(POOLS, "default", spec={}, status={"observedGeneration": 1})
        self.put(FLOWS, "daily", spec=FLOW_SPEC)

    def put(self, resource: Resource, name: str, *, known: bool = True, **more: Any) -> Any:
        created = (NOW - timedelta(seconds=1)).isoformat()
        meta = {"namespace": "team", "name": name, "generation": 1, "creationTimestamp": created}
        obj = self.api.put(
            resource.path(namespace="team", name=name),
            {"kind": resource.kind, "metadata": meta | more.pop("metadata", {}), **more},
        )
        if known:
            self.caches.of(resource).put(obj)
        return obj

    def put_run(self, **more: Any) -> Any:
        return self.put(RUNS, "one", spec={"flowRef": {"name": "daily"}}, **more)

    def put_job(self, owner: Any, *, attempt: int = 1, **more: Any) -> Any:
        labels = {"penstock.dev/run": "one", "penstock.dev/attempt": str(attempt)}
        owners = [{"uid": owner["metadata"]["uid"], "controller": True}]
        meta = {"labels": labels, "ownerReferences": owners}
        return self.put(JOBS, f"one-{attempt}", metadata=meta, **more)

    def put_signal(self, name: str, *, run: str = "one", **more: Any) -> Any:
        spec = {"flowRunRef": {"name": run}, "name": "approve"}
        status = {"state": "Pending"} | more.pop("status", {})
        return self.put(SIGNALS, name, spec=spec, status=status, **more)

    def signals(self) -> dict[str, str]:
        """The Signals there are, and their states."""
        return {
            path.rsplit("/", 1)[1]: found["status"]["state"]
            for path, found in self.api.objects.items()
            if "/signals/" in path
        }

    def status(self) -> dict[str, Any]:
        run = self.api.objects[RUNS.path(namespace="team", name="one")]
        return dict(run["status"])

    def writes(self) -> list[str]:
        return [f"{request.method} {request.resource}" for request in self.api.writes]


async def test_a_new_run_is_fenced_and_then_launched() -> None:
    place = Place()
    place.put_run()

    await place.reconcilers.reconcile(RUN)

    assert place.writes() == ["POST configmaps", "PATCH flowruns/status", "POST jobs"]
    assert place.status()["attempt"] == 1


async def test_a_run_that_cannot_be_read_holds_up_nobody() -> None:
    place = Place()
    triggers = place.reconcilers.triggers
    triggers.saw(POOLS, place.put(POOLS, "default", known=False, spec={"concurrency": 1}))
    triggers.saw(FLOWS, place.put(FLOWS, "daily", known=False, spec=FLOW_SPEC))
    triggers.saw(RUNS, place.put_run(known=False))
    other = {"flowRef": {"name": "daily"}, "priority": 7, "parameters": "none"}
    triggers.saw(RUNS, place.put(RUNS, "other", known=False, spec=other))
    place.queue.keys.clear()

    await place.reconcilers.reconcile(Key(Kind.RUN, "team", "other"))

    assert place.queue.keys == [RUN]


async def test_own_writes_are_known_at_once() -> None:
    place = Place()
    place.put_run()
    await place.reconcilers.reconcile(RUN)
    place.api.requests.clear()

    await place.reconcilers.reconcile(RUN)

    assert place.writes() == []
    assert len(place.caches.jobs) == 1


async def test_a_refused_job_is_judged_by_the_next_plan() -> None:
    place = Place()
    place.put_run()

    def refuse_jobs(request: Request) -> None:
        if request.resource == "jobs":
            place.api.answers.append(refusal(422, "Invalid", "spec.template is wrong"))

    place.api.before = refuse_jobs

    await place.reconcilers.reconcile(RUN)

    assert place.status()["state"] == "Failed"
    assert place.status()["reason"] == "LaunchRefused"
    assert "spec.template is wrong" in place.status()["message"]


async def test_an_api_server_in_trouble_puts_the_key_back() -> None:
    place = Place()
    place.put_run()

    def refuse_jobs(request: Request) -> None:
        if request.resource == "jobs":
            place.api.answers.append(refusal(503, "ServiceUnavailable"))

    place.api.before = refuse_jobs

    with pytest.raises(Unavailable):
        await place.reconcilers.reconcile(RUN)

    assert place.status()["state"] == "Pending"


async def test_a_run_that_was_deleted_meanwhile_is_forgotten() -> None:
    place = Place()
    place.put_run()
    del place.api.objects[RUNS.path(namespace="team", name="one")]

    await place.reconcilers.reconcile(RUN)

    assert len(place.caches.runs) == 0


async def test_a_job_missing_in_the_cache_is_looked_for_before_it_counts_as_lost() -> None:
    place = Place()
    report = {"protocol": 1, "attempt": 1, "podName": "one-1-abcde", "podUID": "p"}
    run = place.put_run(
        status={
            "observedGeneration": 1,
            "state": "Running",
            "reason": "Running",
            "attempt": 1,
            "jobName": "one-1",
            "codeVersion": "0123456789",
            "execution": report,
        }
    )
    job = place.put_job(run, status={"active": 1, "ready": 1})
    place.caches.jobs.remove(job)

    await place.reconcilers.reconcile(RUN)

    assert "POST jobs" not in place.writes()
    assert place.status()["attempt"] == 1


async def test_the_end_of_a_run_concerns_its_flows_history() -> None:
    place = Place()
    outcome = {
        "state": "Completed",
        "reason": "Completed",
        "message": "Done.",
        "finishedAt": NOW.isoformat(),
    }
    report = {"protocol": 1, "attempt": 1, "podName": "p", "podUID": "p", "outcome": outcome}
    place.put_run(status={"state": "Running", "attempt": 1, "execution": report})

    await place.reconcilers.reconcile(RUN)

    assert place.status()["state"] == "Completed"
    assert Key(Kind.HISTORY, "team", "daily") in place.queue.keys
    assert len(place.caches.runs) == 0


async def test_a_run_that_its_schedule_has_yet_to_count_outlives_the_history() -> None:
    """Gone while the schedule believes it to be starting, it would be made again."""
    place = Place()
    history = {"successfulRuns": 0, "failedRuns": 0}
    place.put(FLOWS, "daily", spec={"entrypoint": "flow.py:daily", "history": history})
    ended = {"state": "Completed", "finishedAt": NOW.isoformat()}
    for hour in (10, 11, 12):
        name = f"nightly-20261121{hour}0000"
        place.put(RUNS, name, known=False, spec={"flowRef": {"name": "daily"}}, status=ended)
    place.put(
        SCHEDULES,
        "nightly",
        spec={"flowRef": {"name": "daily"}},
        status={
            "active": ["nightly-20261121110000"],
            "starting": [{"at": "2026-11-21T12:00:00Z"}],
        },
    )

    await place.reconcilers.reconcile(Key(Kind.HISTORY, "team", "daily"))

    deleted = {request.path.rpartition("/")[2] for request in place.api.writes}
    assert deleted == {"nightly-20261121100000"}


async def test_a_finished_run_whose_job_lives_on_is_looked_at() -> None:
    place = Place()
    run = place.put_run(
        known=False,
        status={
            "state": "Cancelled",
            "attempt": 1,
            "finishedAt": (NOW - timedelta(hours=1)).isoformat(),
        },
    )
    place.put_job(run, status={"active": 1})

    await place.reconcilers.reconcile(RUN)

    assert place.writes() == ["DELETE jobs"]


async def test_a_finished_job_of_a_finished_run_costs_nothing() -> None:
    place = Place()
    run = place.put_run(known=False, status={"state": "Completed"})
    place.put_job(run, status={"conditions": [{"type": "Complete", "status": "True"}]})
    place.api.requests.clear()

    await place.reconcilers.reconcile(RUN)

    assert place.api.requests == []


async def test_a_flow_gets_its_snapshot_and_its_status() -> None:
    place = Place()

    await place.reconcilers.reconcile(Key(Kind.FLOW, "team", "daily"))

    assert place.writes() == ["POST configmaps", "PATCH flows/status"]


async def test_a_pool_gets_its_runner_access_and_then_its_status() -> None:
    place = Place()
    place.put(POOLS, "default", spec={})
    binding = "/apis/rbac.authorization.k8s.io/v1/namespaces/team/rolebindings/penstock-runner"

    def take_bindings(request: Request) -> None:
        # A server-side apply creates what is absent; the fake one does not.
        if request.method == "PATCH" and request.resource == "rolebindings":
            place.api.put(binding, {"metadata": {"namespace": "team", "name": "penstock-runner"}})

    place.api.before = take_bindings

    await place.reconcilers.reconcile(Key(Kind.POOL, "team", "default"))

    assert place.writes() == [
        "POST serviceaccounts",
        "PATCH rolebindings",
        "PATCH workpools/status",
    ]


async def test_only_snapshots_that_nobody_starts_from_are_collected() -> None:
    place = Place()
    labels = {"penstock.dev/flow": "daily", "app.kubernetes.io/managed-by": "penstock"}
    old = (NOW - timedelta(days=1)).isoformat()
    for name in ("daily-current", "daily-pinned", "daily-unwanted"):
        place.put(
            CONFIG_MAPS, name, known=False, metadata={"labels": labels, "creationTimestamp": old}
        )
    place.put(FLOWS, "daily", spec={}, status={"codeVersion": "current"})
    place.put_run(status={"state": "Running", "codeVersion": "pinned"})

    await place.reconcilers.reconcile(Key(Kind.SNAPSHOTS, "team", ""))

    left = [path.rsplit("/", 1)[1] for path in place.api.objects if "configmaps" in path]
    assert left == ["daily-current", "daily-pinned"]


async def test_a_signal_wakes_the_run_that_waits_for_it() -> None:
    place = Place()
    place.put_run()
    await place.reconcilers.reconcile(RUN)
    waits = {"kind": "Signal", "name": "approve", "since": NOW.isoformat()}
    report = {"protocol": 1, "attempt": 1, "podName": "p", "podUID": "p", "suspension": waits}
    path = RUNS.path(namespace="team", name="one")
    status = place.status() | {"execution": report}
    place.caches.runs.put(place.api.put(path, {**place.api.objects[path], "status": status}))
    place.put_signal("hello")
    place.api.requests.clear()

    await place.reconcilers.reconcile(RUN)

    assert place.writes() == ["PATCH flowruns/status", "POST jobs", "PATCH signals/status"]
    assert place.status()["reason"] == "Resuming"


async def test_a_signal_to_a_finished_run_is_refused() -> None:
    place = Place()
    place.put_run(known=False, status={"state": "Completed", "attempt": 1})
    place.put_signal("late")

    await place.reconcilers.reconcile(RUN)

    assert place.signals() == {"late": "Rejected"}
    assert len(place.caches.signals) == 0


async def test_a_signal_to_a_run_that_does_not_exist_waits_for_it() -> None:
    place = Place()
    place.put_signal("early")

    await place.reconcilers.reconcile(RUN)

    assert place.signals() == {"early": "Pending"}
    assert place.writes() == []


async def test_a_signal_that_is_taken_back_meanwhile_hinders_nobody() -> None:
    place = Place()
    place.put_run()
    place.put_signal("hello")
    del place.api.objects[SIGNALS.path(namespace="team", name="hello")]

    await place.reconcilers.reconcile(RUN)

    assert place.status()["state"] == "Pending"
    assert len(place.caches.signals) == 0


async def test_signals_go_with_their_run() -> None:
    place = Place()
    old = {"creationTimestamp": (NOW - timedelta(hours=2)).isoformat()}
    run = place.put_run(known=False, status={"state": "Completed"})
    uid = run["metadata"]["uid"]
    place.put_signal("taken", status={"state": "Consumed", "flowRunUID": uid}, metadata=old)
    place.put_signal("of-an-earlier-run", status={"flowRunUID": "uid-earlier"})
    place.put_signal("early", run="two")
    place.put_signal("too-early", run="two", metadata=old)
    place.put_signal("unseen", metadata=old)

    await place.reconcilers.reconcile(Key(Kind.SIGNALS, "team", ""))

    assert place.signals() == {"taken": "Consumed", "early": "Pending", "unseen": "Pending"}


async def test_runs_are_not_listed_where_there_are_no_signals() -> None:
    place = Place()

    await place.reconcilers.reconcile(Key(Kind.SIGNALS, "team", ""))

    assert [request.resource for request in place.api.requests] == ["signals"]


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_key_of_nothing_costs_nothing(kind: Kind) -> None:
    place = Place()

    await place.reconcilers.reconcile(Key(kind, "team", "nothing"))

    assert place.writes() == []
