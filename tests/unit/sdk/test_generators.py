"""Generators as flows and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator

import pytest

from penstock import flow, get_run_logger, task
from penstock.errors import MissingContextError, TaskRunTimeoutError

from .diary import Diary, run

produced: list[int] = []


@task
def numbers(n: int) -> Generator[int, None, None]:
    for number in range(n):
        produced.append(number)
        yield number


@task
async def numbers_later(n: int) -> AsyncGenerator[int, None]:
    for number in range(n):
        await asyncio.sleep(0)
        yield number


@pytest.fixture(autouse=True)
def forget() -> None:
    produced.clear()


def test_a_task_yields_as_it_goes() -> None:
    seen = []

    @flow
    def stream() -> list[int]:
        seen.extend(len(produced) for _ in numbers(3))
        return seen

    assert stream() == [1, 2, 3]


def test_a_stream_is_running_until_it_is_exhausted(diary: Diary) -> None:
    @flow
    def stream() -> list[str]:
        items = numbers(2)
        next(items)
        during = diary.seen["numbers-0"].state.name
        return [during, *map(str, items)]

    assert run(stream, reporter=diary).result == ["Running", "1"]
    assert diary.states_of("numbers-0") == ["Running", "Completed"]


def test_submit_and_map_give_the_list() -> None:
    @flow
    def lists() -> list[object]:
        return [numbers.submit(3).result(), numbers_later.submit(2).result(), *numbers.map([1, 2])]

    assert lists() == [[0, 1, 2], [0, 1], [0], [0, 1]]


def test_return_state_gives_the_list() -> None:
    state = numbers(2, return_state=True)

    assert state.result() == [0, 1]


def test_a_flow_yields_and_its_tasks_end_with_it() -> None:
    @flow
    def stream(n: int) -> Generator[int, None, None]:
        later = numbers.submit(n)
        yield from numbers(n)
        yield sum(later.result())

    assert list(stream("3")) == [0, 1, 2, 3]


def test_async_flows_and_tasks_yield() -> None:
    @flow
    async def stream(n: int) -> AsyncGenerator[int, None]:
        async for number in numbers_later(n):
            yield number * 10

    async def collect() -> list[int]:
        return [number async for number in stream(3)]

    assert asyncio.run(collect()) == [0, 10, 20]


def test_an_exception_in_the_body_fails_the_run_and_reaches_the_reader(diary: Diary) -> None:
    @task
    def broken() -> Generator[int, None, None]:
        yield 1
        raise ConnectionError("gone")

    @flow
    def stream() -> list[int]:
        seen = []
        with pytest.raises(ConnectionError, match="gone"):
            seen.extend(broken())
        return seen

    run(stream, reporter=diary)

    assert diary.states_of("broken-0") == ["Running", "Failed"]


def test_a_broken_stream_that_is_retried_starts_again_from_its_start() -> None:
    attempts = []

    @task(retries=1)
    def unsteady() -> Generator[int, None, None]:
        attempts.append(1)
        yield len(attempts)
        if len(attempts) < 2:
            raise ConnectionError
        yield 3

    assert list(unsteady()) == [1, 2, 3]


def test_a_reader_who_leaves_early_ends_the_body_and_the_run_completes(diary: Diary) -> None:
    ended = []

    @task
    def endless() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            ended.append(True)

    @flow
    def stream() -> None:
        items = endless()
        next(items)
        items.close()

    run(stream, reporter=diary)

    assert ended == [True]
    assert diary.states_of("endless-0") == ["Running", "Completed"]


def test_an_exhausted_stream_is_not_produced_again_by_a_retry_of_the_flow() -> None:
    attempts = []

    @flow(retries=1)
    def retried() -> list[int]:
        items = list(numbers(3))
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionError
        return items

    assert retried() == [0, 1, 2]
    assert produced == [0, 1, 2]


def test_a_stream_that_was_left_early_is_produced_again_by_a_retry_of_the_flow() -> None:
    attempts = []

    @flow(retries=1)
    def retried() -> list[int]:
        items = numbers(3)
        first = next(items)
        attempts.append(1)
        if len(attempts) == 1:
            items.close()
            raise ConnectionError
        return [first, *items]

    assert retried() == [0, 1, 2]


def test_the_reader_between_two_items_is_not_in_the_body() -> None:
    items = numbers(2)
    next(items)

    with pytest.raises(MissingContextError):
        get_run_logger()


def test_the_time_of_the_reader_does_not_count_and_that_of_the_body_does() -> None:
    @task(timeout_seconds=0.05)
    async def slow() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.sleep(10)

    async def read() -> list[int]:
        items = slow()
        seen = [await anext(items)]
        await asyncio.sleep(0.1)
        with pytest.raises(TaskRunTimeoutError):
            await anext(items)
        return seen

    assert asyncio.run(read()) == [1]
