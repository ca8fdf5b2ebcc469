from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.kube.fake_api import FakeApi, answer, refusal

from penstock_operator.kube.client import Client
from penstock_operator.kube.errors import Conflict, Terminating, Unavailable
from penstock_operator.kube.execute import Executor, JobRefusedError
from penstock_operator.kube.resources import JOBS, RUNS, Resource
from penstock_operator.model.execution import Execution
from penstock_operator.model.flowrun import FlowRunStatus
from penstock_operator.model.states import State
from penstock_operator.reconcile.actions import (
    Action,
    CreateJob,
    CreateSnapshot,
    DeleteJob,
    DeleteRun,
    EnsureRoleBinding,
    PatchRunStatus,
    Propagation,
    Target,
)

RUN_PATH = RUNS.path(namespace="team", name="one")
JOB_PATH = JOBS.path(namespace="team", name="one-1")


class Witnessed:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.gone: list[tuple[str, str]] = []
        self.done: list[Action] = []

    def saw(self, resource: Resource, obj: dict[str, Any]) -> None:
        self.seen.append((resource.kind, obj["metadata"]["name"]))

    def lost(self, resource: Resource, *, namespace: str, name: str, uid: str) -> None:
        self.gone.append((resource.kind, name))


def executor(api: FakeApi, told: Witnessed) -> Executor:
    return Executor(Client(api), witness=told, done=told.done.append)


def job(*, owner: str = "run-uid") -> dict[str, Any]:
    owners = [{"uid": owner, "controller": True, "kind": "FlowRun", "name": "one"}]
    return {"metadata": {"namespace": "team", "name": "one-1", "ownerReferences": owners}}


def creation() -> CreateJob:
    return CreateJob(manifest=job(), owner_uid="run-uid")


def target(version: str) -> Target:
    return Target(namespace="team", name="one", uid="run-uid", resource_version=version)


async def test_a_status_is_applied_without_what_the_runner_writes() -> None:
    api, told = FakeApi(), Witnessed()
    api.put(RUN_PATH, {"metadata": {"namespace": "team", "name": "one"}})
    report = Execution(protocol=1, attempt=1, pod_name="p", pod_uid="u")
    status = FlowRunStatus(state=State.PENDING, attempt=1, execution=report)

    await executor(api, told).carry_out([PatchRunStatus(target("1"), status)])

    body = api.requests[-1].body
    assert body is not None
    assert body["metadata"] == {
        "namespace": "team",
        "name": "one",
        "uid": "run-uid",
        "resourceVersion": "1",
    }
    assert body["status"]["attempt"] == 1
    assert "execution" not in body["status"]
    assert told.seen == [("FlowRun", "one")]


async def test_the_first_failure_ends_the_list() -> None:
    api, told = FakeApi(), Witnessed()
    status = PatchRunStatus(target("1"), FlowRunStatus(state=State.PENDING))
    api.put(RUN_PATH, {"metadata": {"namespace": "team", "name": "one"}})
    api.put(RUN_PATH, {"metadata": {"namespace": "team", "name": "one"}})

    with pytest.raises(Conflict):
        await executor(api, told).carry_out([status, creation()])

    assert JOB_PATH not in api.objects
    assert told.done == []


async def test_a_conflict_makes_us_look_again() -> None:
    api, told = FakeApi(), Witnessed()
    api.put(RUN_PATH, {"metadata": {"namespace": "team", "name": "one"}})

    with pytest.raises(Conflict):
        await executor(api, told).carry_out([PatchRunStatus(target("0"), FlowRunStatus())])

    assert told.seen == [("FlowRun", "one")]


async def test_a_job_that_exists_already_is_adopted_by_its_owner() -> None:
    api, told = FakeApi(), Witnessed()
    api.put(JOB_PATH, job())

    await executor(api, told).carry_out([creation()])

    assert told.seen == [("Job", "one-1")]
    assert told.done == [creation()]


async def test_a_job_of_another_owner_is_not_touched() -> None:
    api, told = FakeApi(), Witnessed()
    api.put(JOB_PATH, job(owner="somebody"))

    with pytest.raises(JobRefusedError) as refused:
        await executor(api, told).carry_out([creation()])

    assert refused.value.refusal.status == 409
    assert told.seen == []


async def test_a_job_that_vanishes_while_it_is_adopted_is_tried_again() -> None:
    api = FakeApi()
    api.answers += [refusal(409, "AlreadyExists"), refusal(404, "NotFound")]

    with pytest.raises(Conflict):
        await executor(api, Witnessed()).carry_out([creation()])


@pytest.mark.parametrize("status", [400, 403, 413, 422])
async def test_a_refused_job_is_for_the_next_plan_to_judge(status: int) -> None:
    api = FakeApi()
    api.answers.append(refusal(status, "Refused", "exceeded quota: jobs"))

    with pytest.raises(JobRefusedError) as refused:
        await executor(api, Witnessed()).carry_out([creation()])

    assert refused.value.refusal.status == status
    assert refused.value.refusal.message == "exceeded quota: jobs"


async def test_an_api_server_in_trouble_refuses_nothing_for_good() -> None:
    api = FakeApi()
    api.answers.append(refusal(503, "ServiceUnavailable"))

    with pytest.raises(Unavailable):
        await executor(api, Witnessed()).carry_out([creation()])


async def test_a_namespace_that_is_being_deleted_refuses_no_run() -> None:
    api = FakeApi()
    causes = [{"reason": "NamespaceTerminating"}]
    api.answers.append(refusal(403, "Forbidden", details={"causes": causes}))

    with pytest.raises(Terminating):
        await executor(api, Witnessed()).carry_out([creation()])


@pytest.mark.parametrize("found", [refusal(404, "NotFound"), refusal(409, "Conflict")])
async def test_what_is_gone_already_counts_as_deleted(found: Any) -> None:
    api, told = FakeApi(), Witnessed()
    api.answers += [found, found]

    await executor(api, told).carry_out(
        [
            DeleteJob("team", "one-1", "job-uid", Propagation.FOREGROUND),
            DeleteRun("team", "one", "run-uid"),
        ]
    )

    assert len(told.done) == 2
    assert told.gone == [("Job", "one-1")]


async def test_a_job_that_stays_until_its_pods_are_gone_is_seen_as_being_deleted() -> None:
    api, told = FakeApi(), Witnessed()
    api.answers.append(answer({"kind": "Job", **job()}))

    await executor(api, told).carry_out(
        [DeleteJob("team", "one-1", "job-uid", Propagation.FOREGROUND)]
    )

    assert (told.seen, told.gone) == ([("Job", "one-1")], [])


async def test_a_snapshot_that_exists_is_the_same() -> None:
    api, told = FakeApi(), Witnessed()
    api.answers.append(refusal(409, "AlreadyExists"))
    snapshot = CreateSnapshot({"metadata": {"namespace": "team", "name": "daily-0123456789"}})

    await executor(api, told).carry_out([snapshot])

    assert told.done == [snapshot]


async def test_a_binding_to_another_role_is_replaced() -> None:
    api, requests = FakeApi(), []
    api.answers += [answer({}), answer({})]
    api.before = lambda request: requests.append(request.method)
    binding = {"metadata": {"namespace": "team", "name": "penstock-runner"}}

    await executor(api, Witnessed()).carry_out([EnsureRoleBinding(binding, replace=True)])

    assert requests == ["DELETE", "PATCH"]
