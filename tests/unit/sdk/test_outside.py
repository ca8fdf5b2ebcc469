"""Tasks outside of flows, and flows inside tasks."""

from __future__ import annotations

import asyncio

import pytest

from penstock import flow, task


@task
def double(x: int) -> int:
    return 2 * x


@task
async def double_later(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


@task
def fail() -> None:
    raise ConnectionError("no route")


def test_a_task_can_be_submitted_and_mapped_outside_any_flow() -> None:
    first = double.submit(1)
    chained = double_later.submit(first)

    assert chained.result() == 4
    assert double.map([1, 2, 3]).result() == [2, 4, 6]
    assert first.task_run_name.startswith("double-")


def test_a_failure_outside_any_flow_is_its_futures() -> None:
    future = fail.submit()

    with pytest.raises(ConnectionError, match="no route"):
        future.result()


def test_a_task_called_outside_any_flow_may_submit_others() -> None:
    @task
    def outer() -> list[int]:
        return double.map([1, 2]).result()

    assert outer() == [2, 4]
    assert outer.submit().result() == [2, 4]


def test_a_flow_called_in_a_task_outside_any_flow_is_a_run_of_its_own() -> None:
    @flow
    def inner(x: int) -> int:
        return double.submit(x).result()

    @task
    def outer(x: int) -> int:
        return inner(x)

    assert outer(2) == 4
    assert outer.submit(2).result() == 4
