from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.unit.operator.kube.fake_api import FakeApi

from penstock_operator.kube.client import Client
from penstock_operator.kube.errors import Unavailable
from penstock_operator.kube.lease import Lease, LeaseLostError
from penstock_operator.kube.resources import LEASES
from penstock_operator.kube.transport import Request

PATH = LEASES.path(namespace="penstock", name="penstock-operator")


class Clock:
    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def claim(api: FakeApi, clock: Clock, identity: str) -> Lease:
    return Lease(
        Client(api),
        namespace="penstock",
        name="penstock-operator",
        identity=identity,
        clock=clock,
        now=lambda: datetime(2026, 11, 21, 9, 0, 0, 5, tzinfo=UTC),
    )


async def test_the_first_to_come_holds_the_lease() -> None:
    api, clock = FakeApi(), Clock()
    first, second = claim(api, clock, "a"), claim(api, clock, "b")

    taken = [await first.try_acquire(), await second.try_acquire()]

    assert taken == [True, False]
    assert (first.held, second.held) == (True, False)


async def test_times_are_written_in_utc_with_microseconds() -> None:
    api = FakeApi()

    await claim(api, Clock(), "a").try_acquire()

    spec = api.objects[PATH]["spec"]
    assert spec == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-21T09:00:00.000005Z",
        "renewTime": "2026-11-21T09:00:00.000005Z",
        "leaseTransitions": 0,
    }


async def test_a_lease_that_is_seen_to_be_renewed_is_not_taken() -> None:
    api, clock = FakeApi(), Clock()
    first, second = claim(api, clock, "a"), claim(api, clock, "b")
    await first.try_acquire()
    await second.try_acquire()

    for _ in range(10):
        clock.at += 10
        await first.try_acquire()
        assert not await second.try_acquire()


async def test_a_lease_expires_only_after_it_was_seen_unchanged_for_its_duration() -> None:
    api, clock = FakeApi(), Clock()
    await claim(api, clock, "a").try_acquire()
    clock.at += 3600
    second = claim(api, clock, "b")

    at_first_sight = await second.try_acquire()
    clock.at += 14.9
    just_before = await second.try_acquire()
    clock.at += 0.1
    just_after = await second.try_acquire()

    assert [at_first_sight, just_before, just_after] == [False, False, True]
    assert api.objects[PATH]["spec"]["leaseTransitions"] == 1


async def test_the_holder_gives_up_before_anybody_else_may_take_over() -> None:
    api, clock = FakeApi(), Clock()
    first, second = claim(api, clock, "a"), claim(api, clock, "b")
    await first.try_acquire()
    await second.try_acquire()

    clock.at += 10

    with pytest.raises(LeaseLostError):
        first.check()
    assert not await second.try_acquire()


async def test_a_renewal_counts_from_its_start() -> None:
    api, clock = FakeApi(), Clock()
    lease = claim(api, clock, "a")

    def take_long(request: Request) -> None:
        clock.at += 4

    api.before = take_long
    await lease.try_acquire()

    clock.at = 1000.0 + 9.9
    assert lease.held
    clock.at = 1000.0 + 10
    assert not lease.held


async def test_a_released_lease_is_free_at_once() -> None:
    api, clock = FakeApi(), Clock()
    first, second = claim(api, clock, "a"), claim(api, clock, "b")
    await first.try_acquire()
    await second.try_acquire()

    await first.release()

    assert not first.held
    assert await second.try_acquire()


async def test_what_another_holds_is_not_released() -> None:
    api, clock = FakeApi(), Clock()
    first = claim(api, clock, "a")
    await first.try_acquire()
    api.objects[PATH]["spec"]["holderIdentity"] = "b"

    await first.release()

    assert api.objects[PATH]["spec"]["holderIdentity"] == "b"


async def test_of_two_that_take_an_expired_lease_one_wins() -> None:
    api, clock = FakeApi(), Clock()
    await claim(api, clock, "dead").try_acquire()
    first, second = claim(api, clock, "a"), claim(api, clock, "b")
    await first.try_acquire()
    await second.try_acquire()
    clock.at += 15

    def sneak_in(request: Request) -> None:
        if request.method == "PUT":
            api.before = lambda _: None
            api.put(PATH, api.objects[PATH])

    api.before = sneak_in

    taken = await first.try_acquire()

    assert not taken
    assert not first.held


async def test_holding_ends_when_another_has_taken_the_lease() -> None:
    api, clock = FakeApi(), Clock()
    lease = claim(api, clock, "a")
    await lease.try_acquire()
    api.objects[PATH]["spec"]["holderIdentity"] = "b"

    with pytest.raises(LeaseLostError):
        await lease._renew()


async def test_holding_ends_when_the_api_server_is_away_for_too_long() -> None:
    api, clock = FakeApi(), Clock()
    lease = claim(api, clock, "a")
    await lease.try_acquire()

    def go_away(request: Request) -> None:
        clock.at += 11
        raise Unavailable("connection refused")

    api.before = go_away

    with pytest.raises(LeaseLostError):
        await lease._renew()
