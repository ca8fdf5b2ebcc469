"""How a call ends its transaction: staged, committed or rolled back, after its state is final.

A call that is found in the journal brings back what its transaction was: committed, if that was
recorded too, or else staged, with its values and hooks.
"""

from __future__ import annotations

from typing import cast

from penstock.engine.effects import Complain, Find, IsUndone, Steps, Within
from penstock.engine.hooks import Hooks
from penstock.engine.transaction_terms import TransactionState
from penstock.engine.transactions import Transaction
from penstock.states import State


def conclude(
    transaction: Transaction, state: State[object], *, hooks: Hooks, is_new: bool
) -> Steps[None]:
    """End the transaction of a call that came to ``state``, now or in an earlier attempt."""
    if not state.is_completed():
        error = state.data if isinstance(state.data, BaseException) else None
        yield from transaction.ending(failed=True, error=error)
        return
    if not is_new and (yield from _is_undone(transaction)):
        transaction.state = TransactionState.ROLLED_BACK
        return
    if state.name == "Cached" or not (is_new or (yield from _is_open(transaction))):
        transaction.state = TransactionState.COMMITTED
        return
    transaction.stage_hooks(on_rollback=hooks.on("on_rollback"), on_commit=hooks.on("on_commit"))
    yield from transaction.ending(failed=False)


def _is_undone(transaction: Transaction) -> Steps[bool]:
    """Tell whether an earlier process has undone what it did, for its block failed."""
    key = transaction.call_key
    return key is not None and (yield Within(transaction.part, IsUndone(key))) is True


def _is_open(transaction: Transaction) -> Steps[bool]:
    """Bring back the values of a call that was not committed when it was made."""
    around, key = transaction.parent, transaction.call_key
    if around is not None and around.is_committed():
        return False
    if key is None:
        return True
    if around is not None and around.has_joined(key):
        return False
    if (yield Within(transaction.part, Find(key.beside("commit")))) is not None:
        return False
    found = yield Within(transaction.part, Find(key.beside("values")))
    if isinstance(found, State):
        values, held_hooks = cast("tuple[dict[str, object], bool]", found.data)
        transaction.values.update(values)
        if held_hooks:
            yield Within(transaction.part, Complain(_LOST.format(transaction.name)))
    return True


_LOST = (
    "{} had completed before its process went away. The hooks of the tasks that it called are not "
    "called any more: put hooks on what the flow calls."
)
