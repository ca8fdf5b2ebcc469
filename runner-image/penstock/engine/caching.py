"""The cache rule: when a task's result is looked up, when it counts, when it is kept.

A hit needs a key, an entry under it that has not expired, and a task that does not refresh. A key
that cannot be computed and a store that fails never fail a task: it is complained of, the body
runs, and what it came to stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from penstock.engine.effects import Complain, Keep, Lookup, Steps
from penstock.engine.final import in_words
from penstock.engine.results import Entry, Results
from penstock.engine.runs import TaskRun
from penstock.errors import UnreadableValue
from penstock.states import State, StateType


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheQuestion:
    """The call whose key is asked for."""

    task_run: TaskRun
    identity: str
    body: Callable[..., object]
    parameters: Mapping[str, object]
    flow_parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRule:
    """How the results of one task are kept."""

    key_of: Callable[[CacheQuestion], str | None]
    """Makes the key; ``None``: do not cache."""
    expiration: timedelta | None
    refresh: bool
    """Whether the body runs even if there is a result, and replaces it."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where the result of one call is kept, and by which rule."""

    rule: CacheRule
    results: Results


def cached_or(
    keeping: Keeping,
    ask: Callable[[], CacheQuestion],
    run: Callable[[], Steps[State[object]]],
) -> Steps[State[object]]:
    """Return the cached state of a call, or else run it and keep what it completed with."""
    rule = keeping.rule
    try:
        question = ask()
        key = rule.key_of(question)
    except Exception as error:
        yield Complain(f"The task runs uncached: {error}", error)
        key = None
    if key is None:
        return (yield from run())
    name, results = question.task_run.task_name, keeping.results
    found, may_keep = (None, True) if rule.refresh else (yield from _look_up(results, key, name))
    if found is not None:
        cached = _cached(found)
        if found.expires_at is None or cached.timestamp < found.expires_at:
            return cached
    state = yield from run()
    if may_keep and state.is_completed():
        expires_at = None if rule.expiration is None else state.timestamp + rule.expiration
        yield from keep(results, key, Entry(state.data, expires_at), name=name)
    return state


def _look_up(results: Results, key: str, name: str) -> Steps[tuple[Entry | None, bool]]:
    """Return what is kept, and whether a new result may take its place."""
    try:
        return (yield from Lookup(results, key)), True
    except UnreadableValue as error:
        yield Complain(f"{name} runs again, and its kept result is replaced: {error}")
        return None, True
    except Exception as error:
        yield Complain(f"{name} runs uncached: its result cannot be looked up: {in_words(error)}")
        return None, False


def keep(results: Results, key: str, entry: Entry, *, name: str) -> Steps[None]:
    """Keep a result; that it cannot be kept is said, and fails nothing."""
    try:
        yield Keep(results, key, entry)
    except Exception as error:
        yield Complain(f"The result of {name} is not kept, so it will run again: {in_words(error)}")


def _cached(entry: Entry) -> State[object]:
    return State(
        StateType.COMPLETED, name="Cached", message="The result was cached.", data=entry.value
    )
