"""How a block begins: alone with its key, if that is asked for, and perhaps done before."""

from __future__ import annotations

from penstock.engine.effects import Find, Lookup, Release, Steps, Within
from penstock.engine.locking import Lock, LockManager, await_lock
from penstock.engine.results import Slot
from penstock.engine.transaction_terms import TransactionState
from penstock.engine.transactions import Transaction


def opened(
    transaction: Transaction,
    *,
    slot: Slot | None,
    locks: LockManager | None,
    overwrite: bool,
    keeps: bool,
) -> Steps[None]:
    """Find out whether the block was committed before: in this run, or under its key.

    With ``locks`` this waits until no other block of the key is open, and holds its lock. Unless
    it ``keeps`` its value, nothing is written under the key.
    """
    key = transaction.call_key
    if key is not None:
        mark = yield Within(transaction.part, Find(key.beside("commit")))
        if mark is not None:
            transaction.state = TransactionState.COMMITTED
    if slot is None:
        return
    if locks is not None and not transaction.is_committed():
        lock, results = Lock(locks, slot.key), transaction.results
        if (yield from await_lock(lock, unless=lambda: results.find(slot) is not None)):
            transaction.lock = lock
    try:
        yield from _look_up(transaction, slot, overwrite=overwrite, keeps=keeps)
    except BaseException:
        if transaction.lock is not None:
            yield Release(transaction.lock)
        raise


def _look_up(transaction: Transaction, slot: Slot, *, overwrite: bool, keeps: bool) -> Steps[None]:
    """Take what is kept for the block's own, or note where its value is to be kept."""
    if not overwrite or transaction.is_committed():
        found = transaction.results.find(slot)
        if found is None:
            found = yield from Lookup(slot.results, slot.key)
        if found is not None:
            transaction.value = found.value
            transaction.state = TransactionState.COMMITTED
    if not transaction.is_committed():
        transaction.slot = slot if keeps else None
    elif transaction.lock is not None:
        lock, transaction.lock = transaction.lock, None
        yield Release(lock)
