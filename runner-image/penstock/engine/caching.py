"""The cache rule: when a task's result is looked up, when it counts, when it is kept.

A hit needs a key, an entry under it that has not expired, and a task that does not refresh. A key
that cannot be computed and a store that fails never fail a task: it is complained of, the body
runs, and what it came to stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.engine.cache_terms import CacheQuestion, CacheRule, Keeping
from penstock.engine.effects import Complain, Hold, Keep, Lookup, Steps
from penstock.engine.final import in_words
from penstock.engine.locking import Lock, await_lock, let_go
from penstock.engine.results import Entry, Slot
from penstock.errors import PenstockError, UnreadableValue
from penstock.states import State, StateType

if TYPE_CHECKING:
    from penstock.engine.transactions import Transaction


def cached_or(
    keeping: Keeping,
    ask: Callable[[], CacheQuestion],
    run: Callable[[], Steps[State[object]]],
    *,
    transaction: Callable[[], Transaction | None],
) -> Steps[State[object]]:
    """Return the cached state of a call, or else run it and keep what it completed with.

    In a transaction the result is kept when that commits; until then only it finds the result.
    """
    try:
        question = ask()
        key = keeping.rule.key_of(question)
    except PenstockError as error:  # it says all that there is to know
        yield Complain(f"The task runs uncached: {error}")
        key = None
    except Exception as error:
        yield Complain(f"The task runs uncached: {error}", error)
        key = None
    if key is None:
        return (yield from run())
    slot = Slot(keeping.results, key, question.task_run.task_name)
    lock = yield from _locked(keeping, slot, transaction=transaction)
    try:
        state, entry = yield from _found_or_run(keeping.rule, slot, run, transaction())
        if entry is not None and (yield from _hold_or_keep(slot, entry, lock, transaction())):
            return state
    except GeneratorExit:
        if lock is not None:
            lock.release()  # the call was dropped: nobody carries effects out any more
        raise
    except BaseException:
        if lock is not None:
            yield from let_go(lock)
        raise
    if lock is not None:
        yield from let_go(lock)
    return state


def _hold_or_keep(
    slot: Slot, entry: Entry, lock: Lock | None, around: Transaction | None
) -> Steps[bool]:
    """Keep a result, now or at the commit; tell whether the lock is held until then."""
    if around is None or around.is_committed():
        yield from keep(slot, entry)
        return False
    if around.is_rolled_back():
        return False
    yield Hold(around, slot, entry)
    is_held = around.results.find(slot) is entry  # it is not, of a stream that was left
    if is_held and lock is not None:
        around.locks.append(lock)
    return is_held


def _locked(
    keeping: Keeping, slot: Slot, *, transaction: Callable[[], Transaction | None]
) -> Steps[Lock | None]:
    """Wait until no other call of the key runs, if that is asked for; return the lock."""
    if keeping.locks is None:
        return None
    lock, around = Lock(keeping.locks, slot.key), transaction()
    try:
        is_held = await_lock(lock, unless=lambda: around is not None and slot in around.results)
        return lock if (yield from is_held) else None
    except Exception as error:
        yield Complain(f"{slot.name} runs without a lock: it cannot be had: {in_words(error)}")
        return None


def _found_or_run(
    rule: CacheRule,
    slot: Slot,
    run: Callable[[], Steps[State[object]]],
    around: Transaction | None,
) -> Steps[tuple[State[object], Entry | None]]:
    """Return the final state, and what is to be kept of it."""
    found, may_keep = None, True
    if not rule.refresh:
        found = around.results.find(slot) if around else None
        if found is None:
            found, may_keep = yield from _look_up(slot)
    if found is not None:
        cached = _cached(found)
        if not found.has_expired(cached.timestamp):
            return cached, None
    state = yield from run()
    if not (may_keep and state.is_completed()):
        return state, None
    expires_at = None if rule.expiration is None else state.timestamp + rule.expiration
    return state, Entry(state.data, expires_at)


def _look_up(slot: Slot) -> Steps[tuple[Entry | None, bool]]:
    """Return what is kept, and whether a new result may take its place."""
    name = slot.name
    try:
        return (yield from Lookup(slot.results, slot.key)), True
    except UnreadableValue as error:
        yield Complain(f"{name} runs again, and its kept result is replaced: {error}")
        return None, True
    except Exception as error:
        yield Complain(f"{name} runs uncached: its result cannot be looked up: {in_words(error)}")
        return None, False


def keep(slot: Slot, entry: Entry) -> Steps[None]:
    """Keep a result; that it cannot be kept is said, and fails nothing."""
    try:
        yield Keep(slot.results, slot.key, entry)
    except Exception as error:
        yield Complain(
            f"The result of {slot.name} is not kept, so it will run again: {in_words(error)}"
        )


def _cached(entry: Entry) -> State[object]:
    return State(
        StateType.COMPLETED, name="Cached", message="The result was cached.", data=entry.value
    )
