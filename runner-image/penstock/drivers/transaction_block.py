"""A ``with transaction()`` block: opened in a body, ended with what the body did inside."""

from __future__ import annotations

from contextvars import Token
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.drivers.scope import Scope, enter_engine, epoch_in, open_block
from penstock.drivers.transacting import (
    AsyncTransaction,
    Transaction,
    drive,
    drive_async,
    enclosing,
    implicit,
)
from penstock.drivers.waiting import block_until_final
from penstock.engine import transactions as rule
from penstock.engine.locking import LockManager
from penstock.engine.opening import opened
from penstock.engine.results import Slot
from penstock.engine.transaction_terms import CommitMode
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.engine.identity import CallKey
    from penstock.engine.runs import FlowRun, TaskRun
    from penstock.journal.protocol import Journal

T = TypeVar("T", Transaction, AsyncTransaction)


class BlockPart:
    """In whose name a block's own hooks are called: the run's, beside the body it stands in."""

    abandoned = False
    begins_once = False
    context = None
    """What the body leaves in the run's record is its own run's to tell."""

    def __init__(self, scope: Scope | None) -> None:
        self._scope = scope

    @property
    def run(self) -> FlowRun | TaskRun | None:
        """The run of the body; ``None`` outside of any."""
        return self._scope.run if self._scope else None

    @property
    def journal(self) -> Journal | None:
        """Where the block's commit is recorded."""
        return self._scope.journal if self._scope else None

    is_strict = False
    """A block has no value of its own."""

    @property
    def is_replay(self) -> bool:
        """Whether nothing outside is to be touched."""
        context = self._scope.context if self._scope else None
        return context is not None and context.is_replay

    def epoch(self) -> str:
        """Return which attempts of the bodies around are going on: failures hold in those."""
        return epoch_in(self._scope)

    def is_made_once(self, key: CallKey) -> bool:
        """Tell nothing of other calls: what is recorded of a block may be asked for again."""
        return False

    def serializer_of(self, key: CallKey) -> None:
        """Tell that nobody chooses how what is ours is stored."""

    def aside(self) -> Scope | None:
        """Return the scope of what is called in the run's name; ``None`` outside of any run."""
        scope = self._scope
        if scope is None:
            return None
        beside = Scope(
            scope.run,
            body=scope.body,
            arguments=scope.arguments,
            path=scope.path,
            parent=None,
            origin=None,
            context=scope.context,
            frame=None,
            journal=None,
            log_prints=scope.log_prints,
            slots=None,
        )
        beside.cancel_raised = beside.is_beside = True
        return beside


class Block:
    """One block, sync or async."""

    def __init__(
        self,
        key: str | None,
        *,
        commit_mode: CommitMode | None,
        slot: Slot | None,
        locks: LockManager | None,
        overwrite: bool,
        keeps: bool,
    ) -> None:
        self._name = f"transaction {key}" if key else "the transaction"
        self._key = key
        self._commit_mode = commit_mode
        self._opening = partial(opened, slot=slot, locks=locks, overwrite=overwrite, keeps=keeps)
        self._scope: Scope | None = None
        self._transaction: Any = None
        self._token: Token[tuple[Scope | None, rule.Transaction] | None] | None = None

    def __enter__(self) -> Transaction:
        transaction = self._made(Transaction)
        drive(self._opening(transaction), part=transaction.part)
        self._token = open_block.set((self._scope, transaction))
        return transaction

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        transaction: Transaction = self._transaction
        try:
            if error is None and not transaction.is_rolled_back():
                block_until_final(transaction.links, scope=self._scope)
                before = drive(transaction.failure_on_record(), part=transaction.part)
                if before is not None:
                    raise before
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._leave()
            failed = error is not None or transaction.is_rolled_back()
            drive(transaction.ending(failed=failed, error=error), part=transaction.part)

    async def __aenter__(self) -> AsyncTransaction:
        transaction = self._made(AsyncTransaction)
        await drive_async(self._opening(transaction), part=transaction.part)
        self._token = open_block.set((self._scope, transaction))
        return transaction

    async def __aexit__(self, _: object, error: BaseException | None, *__: object) -> None:
        from penstock.drivers.loops import suspend_until_final

        transaction: AsyncTransaction = self._transaction
        try:
            if error is None and not transaction.is_rolled_back():
                await suspend_until_final(transaction.links, scope=self._scope)
                before = await drive_async(transaction.failure_on_record(), part=transaction.part)
                if before is not None:
                    raise before
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._leave()
            failed = error is not None or transaction.is_rolled_back()
            ending = transaction.ending(failed=failed, error=error)
            await drive_async(ending, part=transaction.part)

    def _made(self, kind: type[T]) -> T:
        if self._transaction is not None:
            raise PenstockError(
                "A transaction is entered once: call transaction() for each `with`."
            )
        self._scope = scope = enter_engine()
        self._transaction = transaction = kind(
            self._name,
            parent=enclosing(scope) or implicit(scope),
            commit_mode=self._commit_mode,
            part=BlockPart(scope),
            call_key=_key_of_block(scope, self._key),
            is_block=True,
        )
        return transaction

    def _leave(self) -> None:
        assert self._token is not None
        open_block.reset(self._token)


def _key_of_block(scope: Scope | None, key: str | None) -> CallKey | None:
    if scope is None or scope.journal is None:
        return None
    return scope.draw(identity="transaction", digest=key or "")
