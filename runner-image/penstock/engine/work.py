"""The work that a transaction is about: what it set and staged, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any, Self

from penstock.engine.hooks import Hook, hook_of_transaction
from penstock.engine.transaction_terms import TransactionState

TransactionHook = Callable[[Any], object]
"""Called with the transaction that it was staged in; may be async."""

_MISSING = object()
_OVER = frozenset({TransactionState.COMMITTED, TransactionState.ROLLED_BACK})


class Work:
    """What bodies and hooks see of a transaction."""

    def __init__(self, name: str, *, parent: Self | None, state: TransactionState) -> None:
        self.name = name
        self.parent = parent
        self.state = state
        self.value: object = None
        """What was staged, or was found under a block's key."""
        self.values: dict[str, object] = {}
        self._on_rollback: list[Hook] = []
        self._on_commit: list[Hook] = []

    def set(self, name: str, value: object) -> None:
        """Keep a value for the hooks of this transaction, and for the transactions inside."""
        self.values[name] = value

    def get(self, name: str, default: object = _MISSING) -> object:
        """Return a copy of the value that was set here or, else, in a transaction around.

        Raises ``ValueError`` where there is neither a value nor a default.
        """
        if name in self.values:
            return deepcopy(self.values[name])
        if self.parent is not None:
            return self.parent.get(name, default)
        if default is _MISSING:
            raise ValueError(
                f"The transaction has no value {name!r}: set({name!r}, …) it first, or give get() "
                "a default."
            )
        return default

    def visible_values(self) -> dict[str, object]:
        """Return what was set here and in the transactions around."""
        around = self.parent.visible_values() if self.parent else {}
        return around | self.values

    def stage(
        self,
        value: object = None,
        on_rollback_hooks: Iterable[TransactionHook] | None = None,
        on_commit_hooks: Iterable[TransactionHook] | None = None,
    ) -> None:
        """Note that the work is done, what came of it, and what undoing or committing it takes.

        Does nothing once the transaction is committed or rolled back.
        """
        if not self.is_over():
            self.value = value
        self.stage_hooks(
            on_rollback=[hook_of_transaction(hook) for hook in on_rollback_hooks or ()],
            on_commit=[hook_of_transaction(hook) for hook in on_commit_hooks or ()],
        )

    def read(self) -> object:
        """Return what was staged here, or what was found to be committed under the key."""
        return self.value

    def is_pending(self) -> bool:
        """Tell whether the work has not begun."""
        return self.state is TransactionState.PENDING

    def is_active(self) -> bool:
        """Tell whether the work is going on."""
        return self.state is TransactionState.ACTIVE

    def is_staged(self) -> bool:
        """Tell whether the work is done and waits for the commit."""
        return self.state is TransactionState.STAGED

    def is_committed(self) -> bool:
        """Tell whether this was committed, now or under the same key before."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        """Tell whether this was rolled back."""
        return self.state is TransactionState.ROLLED_BACK

    def is_over(self) -> bool:
        """Tell whether this was committed or rolled back."""
        return self.state in _OVER

    def stage_hooks(self, *, on_rollback: Sequence[Hook], on_commit: Sequence[Hook]) -> None:
        """Note that the work is done, and what undoing or committing it takes."""
        if self.is_over():
            return
        self._on_rollback += on_rollback
        self._on_commit += on_commit
        self.state = TransactionState.STAGED
