"""Tasks that would wait for one another for ever; of one alone see test_traps.py."""

from __future__ import annotations

import asyncio
import threading

import pytest

from penstock import PenstockFuture, flow, task
from penstock.errors import DeadlockError

Futures = dict[str, PenstockFuture[object]]


@task
def nothing() -> None:
    """Do nothing."""


def test_two_tasks_that_wait_for_each_other_are_refused() -> None:
    futures: Futures = {}
    known = threading.Event()

    @task
    def one() -> None:
        known.wait(60)
        futures["two"].result()

    @task
    async def two() -> None:
        await asyncio.to_thread(known.wait, 10)
        await futures["one"]

    @flow
    def run() -> None:
        futures["one"] = one.submit()
        futures["two"] = two.submit()
        known.set()

    with pytest.raises((DeadlockError, ExceptionGroup)):  # refused once, or in both
        run()


def test_a_long_chain_that_ends_is_no_circle() -> None:
    @task
    def follow(before: int) -> int:
        return before + 1

    @flow
    def run() -> int:
        future = follow.submit(0)
        for _ in range(100):
            future = follow.submit(future, wait_for=[future])
        return future.result()

    assert run() == 101
