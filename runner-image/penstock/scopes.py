"""Scopes: parts of a body whose calls are counted by themselves.

    from asyncio import gather
    from penstock import flow, scope, sleep

    async def remind(name: str) -> None:
        with scope(name):
            await sleep(60)
            await send(name)

    @flow
    async def reminders() -> None:
        await gather(remind("ada"), remind("bob"))

Equal calls of a body are told apart by their order. Where several threads or asyncio tasks make
them, each has its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.drivers.scope import enter_engine, open_scope
from penstock.engine.identity import Branch

__all__ = ["scope"]


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Count the calls inside by themselves, under a name that no scope beside this one has.

    Holds for the thread or asyncio task that enters it, and for those that copy its context.
    """
    body = enter_engine()
    if body is None or body.journal is None:
        yield
        return
    token = open_scope.set((body, Branch(body.draw(identity="scope", digest=name).path)))
    try:
        yield
    finally:
        open_scope.reset(token)
