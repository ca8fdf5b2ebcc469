from __future__ import annotations

import aiohttp
import pytest
from tests.unit.operator.kube.fake_api import FakeApi

from penstock_operator.app.health import Health, serve_health
from penstock_operator.app.metrics import Metrics
from penstock_operator.kube.client import Client
from penstock_operator.kube.lease import Lease


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def claim(clock: Clock) -> Lease:
    return Lease(
        Client(FakeApi()), namespace="penstock", name="operator", identity="me", clock=clock
    )


def leader(clock: Clock) -> Health:
    health = Health(claim(clock), clock=clock)
    health.leads(expects_heartbeats=True)
    return health


def test_a_holder_lives_while_its_renewals_come_back_through_the_watch() -> None:
    clock = Clock()
    health = leader(clock)

    for _ in range(100):
        clock.at += 5
        health.heard_of_lease("me")

    assert health.why_dead() is None


def test_a_holder_whose_watch_has_died_is_not_alive() -> None:
    clock = Clock()
    health = leader(clock)
    health.heard_of_lease("me")

    clock.at += 61

    assert health.why_dead() == "renewals of the own Lease no longer arrive through the watch"


def test_the_renewals_of_another_prove_nothing() -> None:
    clock = Clock()
    health = leader(clock)

    clock.at += 61
    health.heard_of_lease("another")

    assert health.why_dead() is not None


def test_a_holder_that_cannot_see_its_lease_is_not_judged_by_it() -> None:
    clock = Clock()
    health = Health(claim(clock), clock=clock)
    health.leads(expects_heartbeats=False)

    clock.at += 3600

    assert health.why_dead() is None


def test_a_holder_whose_resyncs_keep_finding_lost_events_is_not_alive() -> None:
    clock = Clock()
    health = Health(claim(clock), clock=clock)
    health.leads(expects_heartbeats=False)

    for repairs in (5, 5, 0, 1, 1):
        health.resynced(repairs=repairs)
    once_in_a_while = health.why_dead()
    health.resynced(repairs=1)

    assert once_in_a_while is None
    assert health.why_dead() == "3 resyncs in a row found changes that no event told of"


async def test_a_standby_lives_while_it_looks_at_the_lease() -> None:
    clock = Clock()
    lease = claim(clock)
    health = Health(lease, clock=clock)

    for _ in range(10):
        clock.at += 30
        await lease.try_acquire()

    assert health.why_dead() is None
    clock.at += 61
    assert health.why_dead() == "the loop that waits for the Lease has stopped"


async def test_a_standby_is_ready_once_the_api_server_has_answered() -> None:
    clock = Clock()
    lease = claim(clock)
    health = Health(lease, clock=clock)

    before = health.why_unready()
    await lease.try_acquire()

    assert before is not None
    assert health.why_unready() is None


def test_a_holder_is_ready_once_everything_is_listed() -> None:
    health = leader(Clock())

    before = health.why_unready()
    health.synced = True

    assert before == "the first lists are not complete"
    assert health.why_unready() is None


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [("livez", 200, "ok"), ("readyz", 503, "lists"), ("metrics", 200, "penstock_leader 0.0")],
)
async def test_probes_and_metrics_are_served_on_one_port(path: str, status: int, text: str) -> None:
    health = leader(Clock())
    async with (
        serve_health(health, Metrics(), port=0) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/{path}") as answer,
    ):
        body = await answer.text()

    assert answer.status == status
    assert text in body


def test_the_series_have_the_names_of_the_documentation() -> None:
    metrics = Metrics()
    metrics.watch_sizes(queue_depth=lambda: 2, unfinished_runs=lambda: 3, suspended_runs=lambda: 1)
    metrics.runs.labels("Completed").inc()

    text = metrics.text().decode()

    assert 'penstock_runs_total{state="Completed"} 1.0' in text
    assert "penstock_queue_depth 2.0" in text
    assert "penstock_unfinished_runs 3.0" in text
    assert "penstock_suspended_runs 1.0" in text
