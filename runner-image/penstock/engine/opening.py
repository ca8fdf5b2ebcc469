"""How a block begins: alone with its key, if that is asked for, and perhaps done before."""

from __future__ import annotations

from penstock.engine.effects import Find, Lookup, Steps, Within
from penstock.engine.locking import Lock, LockManager, await_lock, let_go
from penstock.engine.results import Slot
from penstock.engine.transaction_terms import TransactionState
from penstock.engine.transactions import Transaction
from penstock.states import Completed


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
    if slot is not None:
        if locks is not None and not transaction.is_committed():
            yield from _lock(transaction, slot, locks)
        yield from _look_up(transaction, slot, overwrite=overwrite, keeps=keeps)
    if transaction.is_pending():
        transaction.state = TransactionState.ACTIVE


def _lock(transaction: Transaction, slot: Slot, locks: LockManager) -> Steps[None]:
    """Wait for the lock, unless what it guards was done in the same outermost transaction."""
    lock, results = Lock(locks, slot.key), transaction.results
    if (yield from await_lock(lock, unless=lambda: slot in results)):
        transaction.locks.append(lock)


def _look_up(transaction: Transaction, slot: Slot, *, overwrite: bool, keeps: bool) -> Steps[None]:
    """Take what is kept for the block's own, or note where its value is to be kept."""
    try:
        if not overwrite or transaction.is_committed():
            yield from _take(transaction, slot)
    except BaseException:
        yield from _unlock(transaction)
        raise
    if transaction.is_committed():
        yield from _unlock(transaction)
    elif keeps:
        transaction.slot = slot


def _unlock(transaction: Transaction) -> Steps[None]:
    while transaction.locks:
        yield from let_go(transaction.locks.pop())


def _take(transaction: Transaction, slot: Slot) -> Steps[None]:
    found = transaction.results.find(slot)
    if found is None:
        found = yield from Lookup(slot.results, slot.key)
    if found is not None and not found.has_expired(Completed().timestamp):
        transaction.value = found.value
        transaction.state = TransactionState.COMMITTED
