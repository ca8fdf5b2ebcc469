"""What penstock.testing gives tests besides time: a home, no network, round trips."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from penstock import flow, task
from penstock.cache_policies import INPUTS
from penstock.errors import UndigestibleArgument
from penstock.testing import NoNetworkError, isolated_home, no_network, round_trips, strict


def by_socket() -> None:
    with socket.socket() as client:
        client.connect(("192.0.2.1", 5432))


def by_datagram() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"x", ("192.0.2.1", 53))


def by_url() -> None:
    urllib.request.urlopen("http://example.com/")


def by_loop() -> None:
    asyncio.run(asyncio.open_connection("192.0.2.1", 80))  # type: ignore[arg-type]


@pytest.mark.parametrize("reach", [by_socket, by_datagram, by_url, by_loop])
def test_whatever_reaches_for_the_network_is_refused(reach: Callable[[], None]) -> None:
    with no_network(), pytest.raises(NoNetworkError, match=r"192\.0\.2\.1|example\.com"):
        reach()


def test_the_refusal_says_what_was_tried_and_how_to_allow_it() -> None:
    with no_network(), pytest.raises(NoNetworkError) as caught:
        by_socket()

    assert str(caught.value) == (
        "This test has no network, and it tried to reach 192.0.2.1, port 5432. Give it a "
        "stand-in, or allow the host: no_network(allow=['192.0.2.1']) or "
        "@pytest.mark.penstock_network('192.0.2.1')."
    )


def test_tasks_in_threads_have_no_network_either() -> None:
    fetch = task(by_socket)
    run = flow(lambda: fetch.submit().result())

    with no_network(), pytest.raises(NoNetworkError):
        run()


@pytest.mark.parametrize("allowed", ["localhost", "127.0.0.1", "127.0.0.0/8"])
def test_an_allowed_host_is_reached(allowed: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, no_network(allow=[allowed]):
        socket.create_connection(server.getsockname()).close()


def test_an_allowed_name_may_be_reached_at_its_addresses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, no_network(allow=["localhost"]):
        port = server.getsockname()[1]
        for *_, address in socket.getaddrinfo("localhost", port, family=socket.AF_INET):
            socket.create_connection(address).close()  # type: ignore[arg-type]


def test_sockets_of_the_file_system_are_no_network() -> None:
    with no_network():
        ours, theirs = socket.socketpair()

    with ours, theirs:
        assert ours.family == socket.AF_UNIX


def test_the_network_is_back_after_the_block() -> None:
    before = socket.getaddrinfo

    with no_network():
        pass

    assert "connect" not in vars(socket.socket)
    assert socket.getaddrinfo is before


def test_what_was_cached_is_out_of_sight_in_an_isolated_home() -> None:
    runs = []

    @task(cache_policy=INPUTS, cache_expiration=timedelta(hours=1), cache_result_in_memory=True)
    def costly() -> None:
        runs.append(1)

    for _ in range(2):
        with isolated_home():
            costly()
            costly()

    assert len(runs) == 2


@dataclass
class Order:
    lines: list[str] = field(default_factory=list)


ORDER = Order(["tea"])


def test_results_are_the_objects_themselves_in_memory() -> None:
    assert flow(lambda: task(lambda: ORDER)() is ORDER)()


@pytest.mark.parametrize("how", ["called", "submitted"])
def test_round_trips_give_what_a_store_would_give_back(how: str) -> None:
    load = task(lambda: ORDER, name="load")

    @flow
    def run() -> tuple[bool, bool]:
        result = load() if how == "called" else load.submit().result()
        return result == ORDER, result is ORDER

    with round_trips():
        assert run() == (True, False)


def test_what_cannot_be_stored_passes_through_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = socket.socket()

    @flow
    def run() -> bool:
        return task(lambda: connection, name="connect")() is connection

    with connection, round_trips():
        assert run()

    assert "connect-0" in caplog.text


def test_a_flow_retry_does_not_run_a_finished_task_again_over_round_trips() -> None:
    runs: list[int] = []
    step = task(lambda: runs.append(1), name="step")

    @flow(retries=1)
    def run() -> None:
        step()
        if len(runs) == 1 and not tries:
            tries.append(1)
            raise ValueError

    tries: list[int] = []
    with round_trips():
        run()

    assert len(runs) == 1


def test_round_trips_are_asked_for_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    run = flow(lambda: task(lambda: ORDER, name="load")() is ORDER)
    monkeypatch.setenv("PENSTOCK_ROUNDTRIP", "0")
    off = run()
    monkeypatch.setenv("PENSTOCK_ROUNDTRIP", "1")

    assert (off, run()) == (True, False)


def test_strict_raises_what_would_lead_a_durable_run_astray() -> None:
    @task
    def query(connection: object) -> None:
        """Need a connection."""

    @flow
    def queries() -> None:
        query(object())

    with strict(), pytest.raises(UndigestibleArgument):
        queries()
    queries()
