"""Tell whether an event loop has anything left to do, and whether it waits for the world.

asyncio does not say so. What is read here is the same in CPython 3.11 to 3.14; a loop that lacks
it, as uvloop does, counts as one that waits for the world.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from typing import Any

_UNKNOWN = "what this kind of event loop does not tell"


def has_work(loop: AbstractEventLoop) -> bool:
    """Tell whether a callback of the running ``loop`` waits for its turn, or its caller does."""
    return bool(getattr(loop, "_ready", ()) or getattr(loop, "_stopping", False))


def awaited_world(loop: AbstractEventLoop, *, ours: type) -> frozenset[object]:
    """Return what may wake the running ``loop`` from outside: sleeps, sockets and threads.

    Time-outs do not count, nor does what a method of ``ours`` has the loop call.
    """
    if not hasattr(loop, "_ready"):
        return frozenset({_UNKNOWN})
    return frozenset((*_sleeps(loop, ours), *_sockets(loop), *_threads(loop)))


def _sleeps(loop: Any, ours: type) -> Iterator[object]:
    for timer in loop._scheduled:  # noqa: SLF001 - there is no public way
        owner = getattr(timer._callback, "__self__", None)  # noqa: SLF001
        if not timer.cancelled() and not isinstance(owner, asyncio.Timeout | ours):
            yield "sleep", id(timer)


def _sockets(loop: Any) -> Iterator[object]:
    own = getattr(loop, "_ssock", None)  # wakes the loop when other threads call it
    for key in loop._selector.get_map().values():  # noqa: SLF001
        if key.fileobj is not own and key.fd != (own.fileno() if own else None):
            yield "socket", key.fd


def _threads(loop: AbstractEventLoop) -> Iterator[object]:
    for task in asyncio.all_tasks(loop):
        waiter: Any = getattr(task, "_fut_waiter", None)
        for callback, _ in getattr(waiter, "_callbacks", None) or ():
            if "_chain_future" in getattr(callback, "__qualname__", ""):
                yield "thread", id(waiter)
