"""A task that takes long says that it is alive; one that says nothing for too long fails."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from penstock import flow, heartbeat, runtime, sleep, task
from penstock.drivers.parcels import run_parcel
from penstock.errors import HeartbeatTimeout, MissingContextError, TaskAbandoned
from penstock.testing import moving_time


def test_a_body_that_beats_may_take_longer_than_its_silence() -> None:
    @task(heartbeat_timeout_seconds=60)
    def crawl() -> str:
        for page in range(10):
            sleep(40)
            heartbeat(page)
        return "done"

    with moving_time():
        assert crawl() == "done"


def test_a_body_that_is_silent_for_too_long_fails_and_is_left_behind() -> None:
    body_may_end, ended = threading.Event(), list[str]()

    @task(heartbeat_timeout_seconds=0.02)
    def stuck() -> None:
        body_may_end.wait(60)
        try:
            heartbeat()
        except TaskAbandoned as error:
            ended.append(type(error).__name__)
            raise

    with pytest.raises(HeartbeatTimeout, match=r"stuck-0 sent no heartbeat for 0\.02 seconds"):
        stuck()
    body_may_end.set()


async def test_a_coroutine_is_cancelled_when_it_is_silent_for_too_long() -> None:
    told: list[object] = []
    done: list[Any] = []

    @task(heartbeat_timeout_seconds=0.05)
    async def crawl(pages: int) -> None:
        try:
            for page in range(pages):
                heartbeat(page)
                told.append(page)
                await asyncio.sleep(0)
            await asyncio.sleep(60)
        finally:
            done.append(runtime.task_run.heartbeat)

    with pytest.raises(HeartbeatTimeout):
        await crawl(5)

    assert done == told[-1:]


def test_the_next_attempt_goes_on_from_the_last_heartbeat() -> None:
    seen: list[object] = []

    @task(retries=2)
    def crawl() -> str:
        last = runtime.task_run.heartbeat
        seen.append(last)
        for page in range(last["page"] + 1 if last else 0, 5):
            heartbeat({"page": page})
            if page in (1, 3):
                raise ConnectionError("not now")
        return "done"

    result = crawl()

    assert result == "done"
    assert seen == [None, {"page": 1}, {"page": 3}]


def test_silence_is_retried_like_any_failure() -> None:
    pause = threading.Event()

    @task(retries=1, heartbeat_timeout_seconds=0.02)
    def flaky() -> int:
        if runtime.task_run.run_count == 1:
            heartbeat("half")
            pause.wait(60)
        return runtime.task_run.run_count

    @flow
    def patient() -> int:
        return flaky.submit().result()

    result = patient()
    pause.set()

    assert result == 2


def test_without_a_run_a_heartbeat_does_nothing() -> None:
    @task(heartbeat_timeout_seconds=1)
    def body() -> str:
        heartbeat("alive")
        return "done"

    assert body.fn() == "done"
    assert runtime.task_run.heartbeat is None


def test_a_flow_has_no_heartbeat() -> None:
    @flow
    def lonely() -> None:
        heartbeat()

    with pytest.raises(MissingContextError, match="belongs into a task's body"):
        lonely()


class Elsewhere:
    """A task runner that knows nothing of heartbeats, as Dask's."""

    max_workers = 2
    shares_modules = False

    def open(self) -> Elsewhere:
        return self

    def run(self, parcel: bytes, *, timeout: float | None) -> bytes:
        return run_parcel(parcel)

    def close(self) -> None:
        """Leave nothing behind."""


def test_from_a_worker_elsewhere_the_last_heartbeat_comes_with_the_end() -> None:
    @task(retries=1)
    def crawl() -> object:
        last = runtime.task_run.heartbeat
        heartbeat({"page": 1})
        heartbeat({"page": 2})
        if runtime.task_run.run_count == 1:
            raise ConnectionError("not now")
        return last

    @flow(task_runner=Elsewhere())
    def crawling() -> object:
        return crawl.submit().result()

    assert crawling() == {"page": 2}
