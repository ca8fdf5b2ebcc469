"""Time-outs hold for every way of calling, and end the wait on time."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

import pytest

from penstock import flow, task
from penstock.errors import FlowRunTimeoutError, TaskAbandoned, TaskRunTimeoutError

from .diary import Diary, run


def test_a_called_task_ends_the_wait_on_time() -> None:
    body_may_end = threading.Event()

    @task(timeout_seconds=0.02)
    def stuck() -> None:
        body_may_end.wait(60)

    with pytest.raises(TimeoutError):
        stuck()
    body_may_end.set()


def test_a_task_within_its_time_returns_as_ever() -> None:
    @task(timeout_seconds=5)
    def quick() -> str:
        return threading.current_thread().name

    assert quick().startswith("penstock quick-0")


async def test_an_async_task_is_cancelled_when_its_time_is_over() -> None:
    ended: list[str] = []

    @task(timeout_seconds=0.5)  # enough for the body to begin, on a busy machine too
    async def stuck() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cleaned up")

    with pytest.raises(TaskRunTimeoutError):
        await stuck()

    assert ended == ["cleaned up"]


def test_a_flow_has_a_time_of_its_own() -> None:
    body_may_end = threading.Event()

    @flow(timeout_seconds=0.02)
    def stuck() -> None:
        body_may_end.wait(60)

    with pytest.raises(FlowRunTimeoutError):
        stuck()
    body_may_end.set()


def test_a_timeout_of_the_bodys_own_is_a_plain_failure() -> None:
    @task(timeout_seconds=5)
    def raises() -> None:
        raise TimeoutError("of a socket")

    assert raises(return_state=True).name == "Failed"


def test_each_attempt_has_the_whole_time(diary: Diary) -> None:
    body_may_end = threading.Event()

    @task(timeout_seconds=0.01, retries=1)
    def stuck() -> None:
        body_may_end.wait(60)

    run(flow(lambda: stuck(), name="f"), reporter=diary)
    body_may_end.set()

    assert diary.states_of("stuck-0") == ["Running", "AwaitingRetry", "Retrying", "TimedOut"]


def test_engine_calls_inside_an_abandoned_body_raise() -> None:
    left: list[str] = []
    timed_out, ended = threading.Event(), threading.Event()

    @task
    def child() -> None:
        left.append("ran")

    @task(timeout_seconds=0.01)
    def stuck() -> None:
        try:
            with suppress(TaskAbandoned):  # the asynchronous one
                timed_out.wait(60)
            child()
        except TaskAbandoned as error:
            left.append(str(error))
        finally:
            ended.set()

    with pytest.raises(TaskRunTimeoutError):
        stuck()
    timed_out.set()
    ended.wait(60)

    assert left == ["stuck-0 ran out of time; nobody waits for it."]


def test_a_timed_out_flow_does_not_wait_for_its_tasks() -> None:
    task_may_end = threading.Event()

    @task
    def held() -> None:
        task_may_end.wait(60)

    @flow(timeout_seconds=0.02)
    def stuck() -> None:
        held.submit()
        task_may_end.wait(60)

    began = time.monotonic()
    outcome = run(stuck)
    took = time.monotonic() - began
    task_may_end.set()

    assert outcome.reason == "TimedOut"
    assert took < 30


def test_nested_waits_under_a_timeout_give_their_slot_back() -> None:
    from penstock.task_runners import ThreadPoolTaskRunner

    @task(timeout_seconds=5)
    def depth(levels: int) -> int:
        return 0 if levels == 0 else depth.submit(levels - 1).result() + 1

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def nested() -> int:
        return depth.submit(3).result()

    assert nested() == 3


def test_bodies_that_never_end_are_capped() -> None:
    ends: SimpleQueue[None] = SimpleQueue()  # has no lock that an interrupted body could leave held

    @task(timeout_seconds=0.001)
    def stuck() -> None:
        ends.get(timeout=300)

    @flow
    def many() -> str:
        message = ""
        while "was not started" not in message:
            message = stuck(return_state=True).message
        return message

    message = many()
    for _ in range(100):
        ends.put(None)

    assert "was not started: 100 bodies" in message


def test_the_wait_ends_on_time_while_a_profiler_looks_on() -> None:
    body_may_end, ended = threading.Event(), threading.Event()

    @task(timeout_seconds=0.05)
    def stuck() -> None:
        body_may_end.wait(20)
        ended.set()

    sys.setprofile(lambda *_: None)
    try:
        with pytest.raises(TaskRunTimeoutError):
            stuck()
        too_late = ended.is_set()
    finally:
        sys.setprofile(None)
        body_may_end.set()

    assert not too_late
