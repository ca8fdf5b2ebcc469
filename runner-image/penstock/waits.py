"""Waits that belong to the run, not to its process: a deadline survives any crash.

    from penstock import flow, sleep

    @flow
    def reminder(address: str) -> None:
        sleep(7 * 24 * 3600)
        send(address)

In a durable run the end of a sleep is stored before it begins, so that a run that is taken up again
sleeps on to the same moment, or not at all if it has passed. A sleep never ends early (G5).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta

from penstock.clock import now
from penstock.drivers import waiting
from penstock.drivers.running_loop import loop_runs
from penstock.drivers.scope import Scope, enter_engine
from penstock.drivers.suspension import Wait
from penstock.engine.identity import CallKey
from penstock.engine.runs import TaskRun

__all__ = ["sleep", "sleep_until"]


class _Over:
    """What a wait that is over gives to those who await it all the same."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_OVER = _Over()


def sleep(seconds: float) -> Awaitable[None]:
    """Let ``seconds`` pass; under a running event loop it is awaited: ``await sleep(60)``.

    In a flow a long sleep holds neither a slot nor a pod; in a task it holds both. Outside of
    runs it is an ordinary sleep. Raises ``CancelledRun`` when the run is cancelled meanwhile.
    """
    if seconds < 0:
        raise ValueError(f"sleep takes a number of seconds of at least 0, not {seconds!r}.")
    return _sleep(lambda: now() + timedelta(seconds=seconds), digest=f"{seconds:g}")


def sleep_until(when: datetime) -> Awaitable[None]:
    """Sleep until a moment, which has to have a time zone; as ``sleep``."""
    if when.tzinfo is None:
        raise ValueError(
            f"sleep_until takes a moment with a time zone, not {when!r}: add tzinfo=UTC, or take "
            "when.astimezone() if it is by this machine's clock."
        )
    return _sleep(lambda: when, digest=when.astimezone(UTC).isoformat())


def _sleep(end: Callable[[], datetime], *, digest: str) -> Awaitable[None]:
    scope = enter_engine()
    key = None
    if scope is not None and scope.journal is not None:
        key = scope.draw(identity="sleep", digest=digest)
    if loop_runs():
        return _sleep_in_loop(end, key=key, scope=scope)
    deadline = _deadline(end, key=key, scope=scope)
    with _noted(deadline, scope=scope):
        while (left := _seconds_to(deadline)) > 0:
            waiting.pause(left, scope=scope)
    return _OVER


async def _sleep_in_loop(
    end: Callable[[], datetime], *, key: CallKey | None, scope: Scope | None
) -> None:
    from asyncio import to_thread

    from penstock.drivers import loops

    if key is not None and scope is not None and scope.journal and scope.journal.is_remote:
        deadline = await to_thread(_deadline, end, key=key, scope=scope)
    else:
        deadline = _deadline(end, key=key, scope=scope)
    with _noted(deadline, scope=scope):
        while (left := _seconds_to(deadline)) > 0:
            await loops.pause(left, scope=scope)


def _deadline(end: Callable[[], datetime], *, key: CallKey | None, scope: Scope | None) -> datetime:
    """Return when the sleep ends: as it was stored when it began first."""
    if key is None or scope is None or scope.journal is None:
        return end()
    stored = scope.journal.note(key, make=lambda: end().isoformat())
    return datetime.fromisoformat(str(stored))


def _seconds_to(deadline: datetime) -> float:
    return (deadline - now()).total_seconds()


def _noted(deadline: datetime, *, scope: Scope | None) -> AbstractContextManager[None]:
    """Note that the run sleeps, if it is the flow that does: a task that sleeps holds its pod."""
    suspension = scope.context.suspension if scope and scope.context else None
    if scope is None or suspension is None or isinstance(scope.run, TaskRun):
        return nullcontext()
    return suspension.waiting(Wait(kind="Sleep", since=now(), until=deadline))
