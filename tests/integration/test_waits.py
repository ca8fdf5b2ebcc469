"""Waits outlive their process, and a run that only waits needs none."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock import Flow, flow, sleep, task
from penstock.drivers.activity import Activity
from penstock.drivers.suspension import Suspended, Suspension
from penstock.execution import RunContext, execute
from penstock.journal.chain import MemoryChain
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder


class Process:
    """One process of a run, which is left when the run only waits."""

    def __init__(self, chain: MemoryChain, *, attempt: int = 1, linger: float = 0.3) -> None:
        self.reason: Suspended | None = None
        self._left = threading.Event()
        self._context = RunContext("daily-1")
        holder = Holder(attempt=attempt, process=f"process {attempt}")
        self._context.journal = open_journal(chain, holder=holder)
        self._context.activity = Activity()
        self._context.suspension = Suspension(
            self._context.activity, leave=self._leave, linger_seconds=linger
        )
        self.result: object = None
        self._thread: threading.Thread | None = None

    def _leave(self, reason: Suspended) -> None:
        self.reason = reason
        self._left.set()

    def run(self, flow: Flow[..., Any]) -> Process:
        """Run until the flow has ended or the process is left."""

        def work() -> None:
            self.result = execute(flow, parameters={}, context=self._context).result
            self._left.set()

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        assert self._left.wait(60), "it neither ended nor was left"
        return self

    def end(self) -> None:
        """Leave the thread behind that a real process would take with it, where it waits."""
        self._context.request_cancel()


def test_a_sleep_ends_when_it_was_to_end_although_its_process_went_away() -> None:
    @flow
    def napping() -> str:
        sleep(0.5)
        return "awake"

    chain = MemoryChain()
    began = time.monotonic()
    first = Process(chain, linger=0.1).run(napping)
    first.end()
    second = Process(chain, attempt=2).run(napping)

    assert first.reason is not None
    assert first.reason.wait.kind == "Sleep"
    assert second.result == "awake"
    assert 0.5 <= time.monotonic() - began < 60


def test_a_sleep_that_is_over_is_not_slept_again() -> None:
    @flow(retries=1)
    def retried() -> int:
        began = time.monotonic()
        sleep(2)
        naps.append(time.monotonic() - began)
        if len(naps) == 1:
            raise ConnectionError("not now")
        return len(naps)

    naps: list[float] = []

    result = retried()

    assert result == 2
    assert naps[1] < 1.9


@flow
def asleep() -> None:
    sleep(3600)


@flow
async def asleep_in_a_loop() -> None:
    await sleep(3600)


@flow
async def gathered_sleeps() -> None:
    await asyncio.gather(sleep(3600), sleep(7200))


@flow
def asleep_in_a_sub_flow() -> None:
    asleep()


@task(retries=1, retry_delay_seconds=3600)
def later() -> None:
    raise ConnectionError("not now")


@flow
def retry_delay() -> None:
    later()


@flow
def submitted_retry_delay() -> None:
    later.submit().result()


@pytest.mark.parametrize(
    ("left", "kind"),
    [
        pytest.param(asleep, "Sleep", id="a flow sleeps"),
        pytest.param(asleep_in_a_loop, "Sleep", id="an async flow sleeps"),
        pytest.param(gathered_sleeps, "Sleep", id="two sleeps at once"),
        pytest.param(asleep_in_a_sub_flow, "Sleep", id="a sub-flow sleeps"),
        pytest.param(retry_delay, "RetryDelay", id="a called task waits for its retry"),
        pytest.param(submitted_retry_delay, "RetryDelay", id="a submitted one"),
    ],
)
def test_a_process_is_left_when_its_run_only_waits(left: Flow[..., Any], kind: str) -> None:
    process = Process(MemoryChain()).run(left)
    process.end()

    assert process.reason is not None
    assert process.reason.wait.kind == kind
    assert process.reason.wait.until is not None
    seconds = (process.reason.wait.until - datetime.now(UTC)).total_seconds()
    assert 3500 < seconds <= 3600


def beside_a_task(end: threading.Event) -> Flow[..., Any]:
    @task
    def work() -> None:
        end.wait(60)

    @flow
    def busy() -> None:
        work.submit()
        sleep(3600)

    return busy


def beside_a_coroutine(end: threading.Event) -> Flow[..., Any]:
    async def work() -> None:
        while not end.is_set():
            await asyncio.sleep(0.01)

    @flow
    async def busy() -> None:
        await asyncio.gather(work(), sleep(3600))

    return busy


def within_a_task(end: threading.Event) -> Flow[..., Any]:
    @task
    def napping() -> None:
        sleep(0.8)
        end.set()

    @flow
    def busy() -> None:
        napping()
        sleep(3600)

    return busy


@pytest.mark.parametrize("make", [beside_a_task, beside_a_coroutine, within_a_task])
def test_a_process_is_not_left_while_anything_goes_on(
    make: Callable[[threading.Event], Flow[..., Any]],
) -> None:
    end = threading.Event()
    release = threading.Timer(0.8, end.set)
    release.start()
    process = Process(MemoryChain(), linger=0.1)

    began = time.monotonic()
    process.run(make(end)).end()

    assert end.is_set()
    assert time.monotonic() - began >= 0.75
    release.cancel()


def test_a_short_wait_lingers() -> None:
    @flow
    def short() -> str:
        sleep(0.5)
        return "awake"

    process = Process(MemoryChain(), linger=5).run(short)

    assert process.reason is None
    assert process.result == "awake"


async def test_an_awaited_sleep_outside_of_runs_sleeps() -> None:
    began = time.monotonic()

    await sleep(0.05)

    assert time.monotonic() - began >= 0.05
