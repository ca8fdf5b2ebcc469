"""What a starting API server forbids is asked for again."""

from __future__ import annotations

import pytest
from tests.unit.operator.kube.fake_api import FakeApi, refusal

from penstock_operator.kube.client import Client
from penstock_operator.kube.errors import Forbidden, Unavailable
from penstock_operator.kube.readiness import DOUBT_SECONDS, ReadyTransport
from penstock_operator.kube.resources import JOBS
from penstock_operator.kube.transport import Response

FORBIDDEN = refusal(403, "Forbidden", "jobs.batch is forbidden")
READY = Response(200, b"ok")
STARTING = Response(500, b"[-]informer-sync failed")
HIDDEN = refusal(403, "Forbidden", "cannot get path /readyz")
JOB = {"metadata": {"namespace": "team", "name": "daily-1"}}


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_what_was_forbidden_is_asked_for_again_once_the_server_is_ready() -> None:
    api = FakeApi()
    api.answers = [FORBIDDEN, READY]

    await Client(ReadyTransport(api)).create(JOBS, namespace="team", body=JOB)

    assert [request.path for request in api.requests][1] == "/readyz"
    assert (await Client(api).get(JOBS, namespace="team", name="daily-1"))["metadata"]


async def test_a_ready_server_that_forbids_it_again_is_believed() -> None:
    api = FakeApi()
    api.answers = [FORBIDDEN, READY, FORBIDDEN]

    with pytest.raises(Forbidden):
        await Client(ReadyTransport(api)).create(JOBS, namespace="team", body=JOB)


@pytest.mark.parametrize("ready", [STARTING, HIDDEN], ids=["starting", "hidden"])
async def test_a_server_that_is_not_ready_is_doubted_for_half_a_minute(ready: Response) -> None:
    api, clock = FakeApi(), Clock()
    client = Client(ReadyTransport(api, clock=clock))
    api.answers = [FORBIDDEN, ready] * 3

    for clock.now in (0.0, DOUBT_SECONDS):
        with pytest.raises(Unavailable):
            await client.create(JOBS, namespace="team", body=JOB)
    clock.now = DOUBT_SECONDS + 0.1
    with pytest.raises(Forbidden):
        await client.create(JOBS, namespace="team", body=JOB)


async def test_doubts_begin_anew_after_the_server_was_ready() -> None:
    api, clock = FakeApi(), Clock()
    client = Client(ReadyTransport(api, clock=clock))
    api.answers = [FORBIDDEN, STARTING, FORBIDDEN, READY, FORBIDDEN, FORBIDDEN, STARTING]
    with pytest.raises(Unavailable):
        await client.create(JOBS, namespace="team", body=JOB)
    clock.now = DOUBT_SECONDS + 0.1
    with pytest.raises(Forbidden):
        await client.create(JOBS, namespace="team", body=JOB)

    with pytest.raises(Unavailable):
        await client.create(JOBS, namespace="team", body=JOB)


async def test_what_the_server_allows_meanwhile_ends_the_doubts_about_it() -> None:
    api, clock = FakeApi(), Clock()
    client = Client(ReadyTransport(api, clock=clock))
    for clock.now in (0.0, 100.0):  # it starts twice
        api.answers = [FORBIDDEN, STARTING]
        with pytest.raises(Unavailable):
            await client.create(JOBS, namespace="team", body=JOB)
        api.objects.clear()

        await client.create(JOBS, namespace="team", body=JOB)
