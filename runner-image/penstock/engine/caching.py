"""The cache rule: when a task's result is looked up, when it counts, when it is kept.

A hit needs a key, an entry under it that has not expired, and a task that does not refresh. A key
that cannot be computed never fails a task: it is complained of, and the body runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from penstock.engine.effects import Complain, Steps
from penstock.engine.runs import TaskRun
from penstock.states import State, StateType


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheQuestion:
    """The call whose key is asked for."""

    task_run: TaskRun
    identity: str
    body: Callable[..., object]
    parameters: Mapping[str, object]
    flow_parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept under a key."""

    value: object
    expires_at: datetime | None


class Results(Protocol):
    """A store of results. Called from many threads at once."""

    def find(self, key: str) -> Entry | None:
        """Return what is kept under ``key``."""

    def keep(self, key: str, *, entry: Entry) -> None:
        """Keep ``entry`` in place of what was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRule:
    """How the results of one task are kept."""

    key_of: Callable[[CacheQuestion], str | None]
    """Makes the key; ``None``: do not cache."""
    results: Results
    expiration: timedelta | None
    refresh: bool
    """Whether the body runs even if there is a result, and replaces it."""


def cached_or(
    rule: CacheRule,
    ask: Callable[[], CacheQuestion],
    run: Callable[[], Steps[State[object]]],
) -> Steps[State[object]]:
    """Return the cached state of a call, or else run it and keep what it completed with."""
    try:
        question = ask()
        key = rule.key_of(question)
    except Exception as error:
        yield Complain(f"The task runs uncached: {error}", error)
        key = None
    if key is None:
        return (yield from run())
    found = None if rule.refresh else rule.results.find(key)
    if found is not None:
        cached = _cached(found)
        if found.expires_at is None or cached.timestamp < found.expires_at:
            return cached
    state = yield from run()
    if state.is_completed():
        expires_at = None if rule.expiration is None else state.timestamp + rule.expiration
        rule.results.keep(key, entry=Entry(state.data, expires_at))
    return state


def _cached(entry: Entry) -> State[object]:
    return State(
        StateType.COMPLETED, name="Cached", message="The result was cached.", data=entry.value
    )
