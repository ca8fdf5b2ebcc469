"""The loop beside: it goes on while the first one is busy."""

from __future__ import annotations

import asyncio
import threading

import pytest

from penstock_operator.kube.beside import loop_beside


async def test_it_works_while_this_loop_does_not_come_round() -> None:
    done = threading.Event()

    async def work() -> int:
        done.set()
        return 7

    with loop_beside("beside") as beside:
        waiting = asyncio.create_task(beside.run(work()))
        await asyncio.sleep(0)
        blocked = done.wait(60)  # nothing else runs in this loop meanwhile

        assert blocked
        assert await waiting == 7


async def test_an_error_over_there_is_raised_here() -> None:
    async def fail() -> None:
        raise ValueError("lost")

    with loop_beside("beside") as beside, pytest.raises(ValueError, match="lost"):
        await beside.run(fail())


async def test_cancelling_here_cancels_there() -> None:
    cancelled = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with loop_beside("beside") as beside:
        task = asyncio.create_task(beside.run(wait()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert cancelled.wait(60)
