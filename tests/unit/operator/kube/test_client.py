from __future__ import annotations

import pytest
from tests.unit.operator.kube.fake_api import FakeApi, refusal

from penstock_operator.kube.client import Client
from penstock_operator.kube.errors import AlreadyExists, Conflict, NotFound, Throttled, Unavailable
from penstock_operator.kube.limits import Bucket
from penstock_operator.kube.resources import CONFIG_MAPS, JOBS, RUNS
from penstock_operator.kube.transport import Request, Response


def job(name: str) -> dict[str, object]:
    return {"metadata": {"namespace": "team", "name": name}}


async def test_a_created_object_can_be_read() -> None:
    client = Client(FakeApi())
    created = await client.create(JOBS, namespace="team", body=job("daily-1"))

    read = await client.get(JOBS, namespace="team", name="daily-1")

    assert read == created


async def test_a_second_create_of_the_same_name_is_told_apart_from_a_conflict() -> None:
    client = Client(FakeApi())
    await client.create(JOBS, namespace="team", body=job("daily-1"))

    with pytest.raises(AlreadyExists):
        await client.create(JOBS, namespace="team", body=job("daily-1"))


async def test_applying_an_outdated_version_conflicts() -> None:
    api = FakeApi()
    client = Client(api)
    run = api.put(RUNS.path(namespace="team", name="daily"), job("daily"))
    await client.apply(RUNS, run, subresource="status")

    with pytest.raises(Conflict):
        await client.apply(RUNS, run, subresource="status")


async def test_a_status_is_applied_by_force_under_our_own_name() -> None:
    api = FakeApi()
    api.put(RUNS.path(namespace="team", name="daily"), job("daily"))

    await Client(api).apply(RUNS, job("daily"), subresource="status")

    request = api.requests[-1]
    assert request.path == "/apis/penstock.dev/v1alpha1/namespaces/team/flowruns/daily/status"
    assert request.query == {"fieldManager": "penstock-operator", "force": "true"}
    assert request.content_type == "application/apply-patch+yaml"


@pytest.mark.parametrize(
    ("answer", "unreadable"),
    [
        pytest.param(
            refusal(400, "BadRequest", 'Job in version "v1" cannot be handled as a Job: bad field'),
            "bad field",
            id="it cannot be read",
        ),
        pytest.param(refusal(422, "Invalid", "Job is invalid: no containers"), "", id="it lacks"),
        pytest.param(refusal(403, "Forbidden", "exceeded quota"), "", id="there is no room"),
    ],
)
async def test_an_object_is_tried_and_not_kept(answer: Response, unreadable: str) -> None:
    api = FakeApi()
    api.answers = [answer]

    found = await Client(api).unreadable(JOBS, namespace="team", body=job("x"))

    assert found == unreadable
    assert (api.requests[0].query["dryRun"], api.requests[0].query["fieldValidation"]) == (
        "All",
        "Strict",
    )


async def test_a_try_that_nobody_answers_says_nothing() -> None:
    api = FakeApi()
    api.answers = [refusal(429, "TooManyRequests")]

    with pytest.raises(Throttled):
        await Client(api).unreadable(JOBS, namespace="team", body=job("x"))


async def test_lists_come_page_by_page() -> None:
    api = FakeApi()
    for number in range(5):
        api.put(CONFIG_MAPS.path(namespace="team", name=f"m{number}"), job(f"m{number}"))

    pages = [page async for page in Client(api).pages(CONFIG_MAPS, namespace="team", page_size=2)]

    assert [[item["metadata"]["name"] for item in page] for page in pages] == [
        ["m0", "m1"],
        ["m2", "m3"],
        ["m4"],
    ]
    assert pages[0][0]["kind"] == "ConfigMap"


async def test_a_forbidden_write_is_never_sent() -> None:
    api = FakeApi()

    def forbid(request: Request) -> None:
        raise RuntimeError("the Lease is lost")

    client = Client(api, before_write=forbid)

    with pytest.raises(RuntimeError):
        await client.create(JOBS, namespace="team", body=job("daily-1"))

    assert api.requests == []


async def test_reads_are_not_writes() -> None:
    api = FakeApi()
    written: list[Request] = []
    client = Client(api, after_write=written.append)
    await client.create(JOBS, namespace="team", body=job("daily-1"))

    await client.get(JOBS, namespace="team", name="daily-1")

    assert [request.method for request in written] == ["POST"]


async def test_a_deletion_names_the_very_object() -> None:
    api = FakeApi()
    client = Client(api)
    await client.create(JOBS, namespace="team", body=job("daily-1"))

    await client.delete(JOBS, namespace="team", name="daily-1", uid="u1", propagation="Foreground")

    assert api.requests[-1].body == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u1"},
    }
    with pytest.raises(NotFound):
        await client.get(JOBS, namespace="team", name="daily-1")


async def test_an_answer_that_is_cut_off_counts_as_none() -> None:
    api = FakeApi()
    api.answers.append(Response(200, b'{"metadata": {'))

    with pytest.raises(Unavailable):
        await Client(api).get(JOBS, namespace="team", name="daily-1")


def test_a_bucket_lets_bursts_pass_and_spreads_the_rest() -> None:
    bucket = Bucket(per_second=10, burst=2)

    delays = [bucket.take(now=100.0) for _ in range(4)]

    assert delays == pytest.approx([0.0, 0.0, 0.1, 0.2])


def test_a_bucket_fills_up_again() -> None:
    bucket = Bucket(per_second=10, burst=2)
    for _ in range(4):
        bucket.take(now=100.0)

    delay = bucket.take(now=100.4)

    assert delay == 0.0


def test_the_patient_leave_what_the_others_may_need_at_once() -> None:
    bucket = Bucket(per_second=10, burst=4)

    patient = [bucket.take(now=100.0, leaving=2) for _ in range(4)]
    urgent = bucket.take(now=100.0)

    assert patient == pytest.approx([0.0, 0.0, 0.1, 0.2])
    assert urgent == pytest.approx(0.1)
