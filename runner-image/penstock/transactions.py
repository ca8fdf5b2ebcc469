"""Transactions: tasks whose work is committed together, or undone together in reverse order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.absent import refuse_absent
from penstock.drivers.transacting import AsyncTransaction, Transaction, innermost
from penstock.drivers.transaction_block import Block
from penstock.engine.locking import LockManager
from penstock.engine.results import Slot
from penstock.engine.transaction_terms import CommitMode, IsolationLevel, TransactionState
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.results import MemoryResults, ResultStore

__all__ = [
    "AsyncTransaction",
    "CommitMode",
    "IsolationLevel",
    "Transaction",
    "TransactionState",
    "atransaction",
    "get_transaction",
    "transaction",
]


def transaction(
    key: str | None = None,
    store: ResultStore | MemoryResults | None = None,
    *,
    commit_mode: CommitMode | None = None,
    isolation_level: IsolationLevel | None = None,
    overwrite: bool = False,
    write_on_commit: bool = True,
) -> Block:
    """Open a transaction: ``with transaction() as txn:``, or ``async with``.

    What completes inside is committed at the end of the outermost transaction, in order: its
    ``on_commit`` hooks are called. If the block raises, or a task inside fails, the
    ``on_rollback`` hooks of all that completed are called in reverse order. The end waits for the
    tasks that were submitted inside.

    With a ``key``, what was staged is kept in ``store`` at the commit, by default in
    ``$PENSTOCK_HOME`` if that is set, or else in memory. The next transaction of the key begins
    as committed, unless it is to ``overwrite``, and ``read()`` returns the value. With
    ``SERIALIZABLE`` one transaction at a time is open for a key.
    """
    slot = None if key is None else Slot(store or _default_store(), key, f"transaction {key}")
    serial = isolation_level is IsolationLevel.SERIALIZABLE
    return Block(
        key,
        commit_mode=commit_mode,
        slot=slot,
        locks=_locks_for(slot) if serial else None,
        overwrite=overwrite,
        keeps=write_on_commit,
    )


def _default_store() -> ResultStore | MemoryResults:
    from penstock.home import home_if_set
    from penstock.results import MEMORY, ResultStore

    return ResultStore() if home_if_set() else MEMORY


def _locks_for(slot: Slot | None) -> LockManager:
    if slot is None:
        raise PenstockError("A SERIALIZABLE transaction needs a key: transaction('a key', …).")
    from penstock.persistence import locks_beside

    given = getattr(slot.results, "lock_manager", None)
    return given or locks_beside(getattr(slot.results, "place", None))


atransaction = transaction


def get_transaction() -> Transaction | AsyncTransaction | None:
    """Return the innermost transaction: a block, or the task whose body calls this."""
    found = innermost()
    assert found is None or isinstance(found, Transaction | AsyncTransaction)
    return found


refuse_absent(globals())
