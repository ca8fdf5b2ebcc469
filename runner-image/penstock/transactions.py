"""Transactions: tasks whose work is committed together, or undone together in reverse order."""

from __future__ import annotations

from penstock.absent import refuse_absent
from penstock.drivers.transacting import AsyncTransaction, Transaction, innermost
from penstock.drivers.transaction_block import Block
from penstock.engine.transactions import CommitMode, IsolationLevel, TransactionState

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


def transaction(key: str | None = None, *, commit_mode: CommitMode | None = None) -> Block:
    """Open a transaction: ``with transaction() as txn:``, or ``async with``.

    What completes inside is committed at the end of the outermost transaction, in order: its
    ``on_commit`` hooks are called. If the block raises, or a task inside fails, the
    ``on_rollback`` hooks of all that completed are called in reverse order. The end waits for the
    tasks that were submitted inside.
    """
    return Block(key, commit_mode=commit_mode)


atransaction = transaction


def get_transaction() -> Transaction | AsyncTransaction | None:
    """Return the innermost transaction: a block, or the task whose body calls this."""
    found = innermost()
    assert found is None or isinstance(found, Transaction | AsyncTransaction)
    return found


refuse_absent(globals())
