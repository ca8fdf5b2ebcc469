"""``total_timeout_seconds`` bounds all attempts of a task together, delays included."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.unit.journal.runs import PowerCut, Runs

from penstock import flow, task
from penstock.errors import TaskRunTimeoutError
from penstock.testing import MovingTime, moving_time


@pytest.fixture
def time() -> Iterator[MovingTime]:
    with moving_time() as moved:
        yield moved


def test_no_attempt_begins_that_would_come_too_late(time: MovingTime) -> None:
    begun = []

    @task(retries=10, retry_delay_seconds=60, total_timeout_seconds=150)
    def flaky() -> None:
        begun.append(time.now())
        raise ConnectionError("not now")

    with pytest.raises(ConnectionError):
        flaky()

    assert [moment - begun[0] for moment in begun] == [timedelta(minutes=n) for n in range(3)]


def test_an_attempt_has_what_the_others_have_left() -> None:
    body_may_end = threading.Event()
    numbers = iter(range(5))

    @task(retries=5, total_timeout_seconds=0.05)
    def slow() -> None:
        if next(numbers) == 0:
            raise ConnectionError("not now")
        body_may_end.wait(60)

    with pytest.raises(TaskRunTimeoutError, match=r"All attempts of slow-0 together took longer"):
        slow()
    body_may_end.set()


async def test_a_coroutine_has_no_more_either() -> None:
    import asyncio

    @task(retries=5, total_timeout_seconds=0.02)
    async def slow() -> None:
        await asyncio.sleep(5)

    with pytest.raises(TaskRunTimeoutError, match="All attempts"):
        await slow()


def test_the_end_stays_where_it_was_when_the_run_is_taken_up_again(time: MovingTime) -> None:
    begun: list[str] = []

    @task(retries=5, total_timeout_seconds=3600)
    def work() -> None:
        begun.append("work")
        if len(begun) == 1:
            raise PowerCut

    @flow
    def working() -> None:
        work()

    runs = Runs(working)
    runs.attempt()
    time.move(seconds=3601)
    outcome = runs.attempt()

    assert begun == ["work"]
    assert outcome.state.name == "Failed"
    assert isinstance(outcome.state.data, TaskRunTimeoutError)


def test_a_retry_of_the_flow_gives_the_task_its_time_again(time: MovingTime) -> None:
    begun: list[str] = []

    @task(retries=5, retry_delay_seconds=60, total_timeout_seconds=30)
    def work() -> str:
        begun.append("work")
        if len(begun) == 1:
            raise ConnectionError("not now")
        return "done"

    @flow(retries=1, retry_delay_seconds=3600)
    def working() -> str:
        return work()

    outcome = Runs(working).attempt()

    assert outcome.result == "done"
    assert len(begun) == 2
