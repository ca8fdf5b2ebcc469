"""Async flows and tasks, and the crossings between async and sync."""

from __future__ import annotations

import asyncio
import threading

import pytest

from penstock import allow_failure, flow, task
from penstock.errors import UpstreamNotCompleted
from penstock.futures import as_completed

from .diary import run


@task
async def double(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


@task
def sync_double(x: int) -> int:
    return 2 * x


@task
async def fail() -> None:
    raise ValueError("broken")


async def test_an_async_flow_is_awaited() -> None:
    @flow
    async def awaits() -> int:
        return await double(2)

    assert await awaits() == 4


async def test_awaited_tasks_run_side_by_side_on_the_callers_loop() -> None:
    here = threading.get_ident()
    all_in = asyncio.Barrier(10)

    @task
    async def meet() -> bool:
        await asyncio.wait_for(all_in.wait(), 5)
        return threading.get_ident() == here

    @flow
    async def gathers() -> bool:
        return all(await asyncio.gather(*(meet() for _ in range(10))))

    assert await gathers()


async def test_a_sync_task_called_in_an_async_flow_runs_inline() -> None:
    @flow
    async def calls() -> int:
        return sync_double(3)

    assert await calls() == 6


async def test_futures_are_awaitable_in_an_async_flow() -> None:
    @flow
    async def submits() -> list[int]:
        return [await double.submit(1), await sync_double.submit(double.submit(1))]

    assert await submits() == [2, 4]


async def test_a_blocking_result_in_an_async_flow_works_and_warns() -> None:
    """It blocks the flow's loop without deadlock: submitted tasks have a loop of their own."""
    may_end = threading.Event()

    @task
    async def held() -> int:
        while not may_end.is_set():
            await asyncio.sleep(0.001)
        return 1

    @flow
    async def blocks() -> int:
        future = held.submit()
        threading.Timer(0.01, may_end.set).start()
        with pytest.warns(RuntimeWarning, match="await the future instead"):
            return future.result()

    assert await blocks() == 1


def test_a_submitted_async_task_that_would_block_its_own_loop_is_refused() -> None:
    @task
    async def blocks() -> int:
        return double.submit(1).result()

    @flow
    def submits() -> int:
        return blocks.submit().result()

    with pytest.raises(RuntimeError, match="await the future instead"):
        submits()


def test_async_tasks_are_submitted_and_mapped_from_a_sync_flow() -> None:
    all_in: list[int] = []

    @task
    async def meet(number: int) -> int:
        all_in.append(number)
        while len(all_in) < 50:
            await asyncio.sleep(0.001)
        return number

    @flow
    def maps() -> int:
        return sum(meet.map(range(50)).result())

    assert maps() == sum(range(50))


def test_max_workers_bounds_async_bodies_too() -> None:
    from penstock.task_runners import ThreadPoolTaskRunner

    now: list[int] = []
    most: list[int] = []

    @task
    async def body(number: int) -> None:
        now.append(number)
        most.append(len(now))
        await asyncio.sleep(0.001)
        now.remove(number)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=3))
    def bounded() -> None:
        body.map(range(12)).wait()

    bounded()

    assert max(most) == 3


async def test_async_tasks_are_retried() -> None:
    calls: list[int] = []

    @task(retries=2, retry_delay_seconds=0.001)
    async def flaky() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError
        return len(calls)

    @flow
    async def retries() -> int:
        return await flaky()

    assert await retries() == 3


def test_a_submitted_async_task_is_retried() -> None:
    calls: list[int] = []

    @task(retries=1, retry_delay_seconds=0.001)
    async def flaky() -> int:
        calls.append(1)
        if len(calls) < 2:
            raise ValueError
        return len(calls)

    @flow
    def retries() -> int:
        return flaky.submit().result()

    assert retries() == 2


async def test_an_async_retry_condition_is_awaited() -> None:
    async def never(*_: object) -> bool:
        await asyncio.sleep(0)
        return False

    @task(retries=3, retry_condition_fn=never)
    async def fails() -> None:
        raise ValueError("once")

    with pytest.raises(ValueError, match="once"):
        await fails()


async def test_a_lost_failure_fails_an_async_flow() -> None:
    @flow
    async def forgets() -> None:
        fail.submit()

    with pytest.raises(ValueError, match="broken"):
        await forgets()


async def test_a_dependent_is_not_ready_in_an_async_flow() -> None:
    @flow
    async def chain() -> object:
        future = fail.submit()
        with pytest.raises(UpstreamNotCompleted):
            await double(future)  # type: ignore[arg-type] # a future for a value
        return await tolerant(allow_failure(future))

    @task
    async def tolerant(value: object) -> str:
        return repr(value)

    assert await chain() == "ValueError('broken')"


@pytest.mark.parametrize("exit_with", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_leaving_from_a_submitted_async_task_is_a_crash_and_no_hang(
    exit_with: BaseException,
) -> None:
    @task
    async def leave() -> None:
        raise exit_with

    @flow
    async def left() -> None:
        await leave.submit()

    assert run(left).state.is_crashed()


async def test_an_awaited_task_that_the_program_cancels_is_cancelled() -> None:
    started = asyncio.Event()

    @task
    async def held() -> None:
        started.set()
        await asyncio.sleep(5)

    running = asyncio.ensure_future(held())
    await started.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_sub_flow_is_awaited() -> None:
    @flow
    async def child(x: int) -> int:
        return await double(x)

    @flow
    async def parent() -> int:
        return sum(await asyncio.gather(child(1), child(2)))

    assert await parent() == 6


async def test_return_state_of_an_async_flow_and_task() -> None:
    @flow
    async def states() -> object:
        return (await double(1, return_state=True)).result()

    state = await states(return_state=True)

    assert (state.name, state.result()) == ("Completed", 2)


def test_as_completed_works_on_async_tasks() -> None:
    @flow
    def completes() -> set[int]:
        return {future.result() for future in as_completed(double.map([1, 2, 3]))}

    assert completes() == {2, 4, 6}


def test_an_async_flow_is_executed_without_a_loop_around() -> None:
    @flow
    async def awaits(x: int) -> int:
        return await double(x)

    assert run(awaits, {"x": "4"}).result == 8
