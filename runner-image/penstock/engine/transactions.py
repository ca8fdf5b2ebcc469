"""The transaction rule: what several tasks did is committed together, or undone in reverse.

A call of a task is a transaction of its own. One that completes inside another is staged: whoever
is around commits it or rolls it back later, once, and never both. Nothing is done here: what a
commit or a roll-back takes is yielded as effects, each in the name of the call that it is about.
"""

from __future__ import annotations

from collections import deque
from itertools import count

from penstock.engine.caching import keep
from penstock.engine.effects import (
    AwaitStored,
    CallHook,
    Complain,
    Find,
    Record,
    Steps,
    Undo,
    Within,
)
from penstock.engine.hooks import Hook
from penstock.engine.identity import CallKey
from penstock.engine.inputs import Link
from penstock.engine.locking import Lock, let_go
from penstock.engine.results import Entry, Slot
from penstock.engine.staged import StagedResults
from penstock.engine.transaction_terms import CommitMode, TransactionState
from penstock.engine.work import Work
from penstock.states import Completed, Failed, State


class Transaction(Work):
    """Something that is committed or rolled back as a whole. Used from many threads at once."""

    def __init__(
        self,
        name: str,
        *,
        parent: Transaction | None = None,
        commit_mode: CommitMode | None = None,
        part: object = None,
        call_key: CallKey | None = None,
        is_block: bool = False,
    ) -> None:
        begun = TransactionState.PENDING if is_block else TransactionState.ACTIVE
        super().__init__(name, parent=parent, state=begun)
        self.commit_mode: CommitMode = commit_mode or (
            parent.commit_mode if parent else CommitMode.LAZY
        )
        self.is_block = is_block
        """Whether a failure inside rolls this back at once, though somebody may catch it.

        A call is not: its own end tells, and it may have another attempt.
        """
        self.is_subflow = False
        """Whether this stands for a sub-flow, which has no values or hooks of its own."""
        self.links: list[Link] = []
        """What was submitted in the block, which waits for it before it commits."""
        self.part = part
        """In whose name hooks are called: a call, or a block; the driver knows it."""
        self.call_key = call_key
        """Names the call, or the block, in the run's journal."""
        self.slot: Slot | None = None
        """Where a block's value is kept, if it is to be."""
        self.locks: list[Lock] = []
        """What is held until the end, whatever that will be."""
        self._children: deque[Transaction] = deque()
        self._joined: set[CallKey] = set()
        self._held: list[tuple[Slot, Entry]] = []
        self.results: StagedResults = parent.results if parent else StagedResults()
        """Shared with all of the outermost transaction."""
        self._ends = count()

    def recording(self) -> Steps[None]:
        """Record what was set, before the result is: whoever finds that needs it for hooks."""
        holds_hooks = any(child.has_hooks() for child in tuple(self._children))
        if self.call_key is not None and (self.values or holds_hooks):
            left = Completed(data=[dict(self.values), holds_hooks])
            yield Within(self.part, Record(self.call_key.beside("values"), left))

    def has_hooks(self) -> bool:
        """Tell whether ending this calls any hook."""
        children = tuple(self._children)
        return bool(self._on_commit or self._on_rollback) or any(c.has_hooks() for c in children)

    def hold(self, slot: Slot, entry: Entry) -> None:
        """Have a result wait for the commit; only the outermost transaction finds it till then."""
        self._held.append((slot, entry))
        self.results.add(slot, entry)

    def ending(self, *, failed: bool, error: BaseException | None = None) -> Steps[None]:
        """Commit, roll back, or hand over to the transaction around, once the work has ended."""
        if failed:
            yield from self.rolling_back(error)
        elif self.commit_mode is CommitMode.EAGER:
            yield from self.committing()
        elif self.parent is not None:
            yield from self._join(self.parent)
        elif self.commit_mode is CommitMode.LAZY:
            yield from self.committing()
        else:
            yield from self.rolling_back()
        around = self.parent
        if self.is_rolled_back() and around is not None and around.is_block:
            yield from around.rolling_back(error)

    def has_joined(self, key: CallKey) -> bool:
        """Tell whether a call with this key is inside already, from an earlier attempt."""
        return key in self._joined

    def _join(self, parent: Transaction) -> Steps[None]:
        """Hand over to ``parent``; if its end came first, take it back and share its fate.

        Joining comes before looking, and an end before a parent's last look for children, so
        that exactly one of both sides takes the child, whatever the threads do.
        """
        if self.is_over():
            return
        if self.slot is not None:
            self.results.add(self.slot, Entry(self.value, None))
        if self.call_key is not None:
            parent._joined.add(self.call_key)
        parent._children.append(self)
        if parent.is_over() and parent._gives_back(self):
            if parent.is_rolled_back():
                yield from self.rolling_back()
            else:
                yield from self.committing()

    def _gives_back(self, child: Transaction) -> bool:
        try:
            self._children.remove(child)
        except ValueError:
            return False
        return True

    def committing(self) -> Steps[bool]:
        """Commit what is inside in order, then this; tell whether it was done now.

        A hook that raises rolls back its own transaction, not those beside it.
        """
        committed = yield from self.committing_with_parent()
        if committed and self.call_key is not None:
            yield Within(self.part, Record(self.call_key.beside("commit"), Completed()))
        return committed

    def committing_with_parent(self) -> Steps[bool]:
        """Commit, and leave it to the transaction around to record that."""
        if not self._may_end():
            return False
        yield from self._commit_children()
        if self._on_commit:
            yield Within(self.part, AwaitStored())
        for hook in self._on_commit:
            if not (yield from self._call(hook, deed="commit")):
                yield from self._roll_back()
                return False
        yield from self._let_go(kept=True)
        self.state = TransactionState.COMMITTED
        yield from self._commit_children()
        return True

    def _commit_children(self) -> Steps[None]:
        while self._children:
            yield from self._children.popleft().committing_with_parent()

    def rolling_back(
        self, error: BaseException | None = None, *, on_record: bool = False
    ) -> Steps[bool]:
        """Call the roll-back hooks in reverse, of this and then of what is inside.

        Tells whether it was done now. A hook that raises keeps no other from being called.
        ``on_record``: whoever takes this attempt up again learns that it failed.
        """
        if not self._may_end():
            return False
        on_record = on_record or (yield from self._put_on_record(error))
        yield from self._roll_back(on_record=on_record)
        return True

    def failure_on_record(self) -> Steps[Exception | None]:
        """Return why the block was rolled back, if its attempt of the body is taken up again."""
        if self.call_key is None or not self.is_block or self.is_over():
            return None
        found = yield Within(self.part, Find(self.call_key.beside("failure")))
        if isinstance(found, State) and isinstance(found.data, Exception):
            return found.data
        return None

    def _put_on_record(self, error: BaseException | None) -> Steps[bool]:
        """Store why a block fails, before anything is undone; tell whether that is stored."""
        if self.call_key is None or not self.is_block or not isinstance(error, Exception):
            return False
        failure = Failed(data=error)
        yield Within(self.part, Record(self.call_key.beside("failure"), failure))
        return (yield from self.failure_on_record()) is not None

    def _roll_back(self, *, on_record: bool = False) -> Steps[None]:
        was_done = self.is_staged() and not self.is_block
        self.state = TransactionState.ROLLED_BACK
        for hook in reversed(self._on_rollback):
            yield from self._call(hook, deed="roll-back")
        yield from self._let_go(kept=False)
        if was_done:
            yield Within(self.part, Undo(self.call_key, in_later_attempts=on_record))
        while self._children:
            yield from self._children.pop().rolling_back(on_record=on_record)

    def _let_go(self, *, kept: bool) -> Steps[None]:
        """Keep the results that waited, or drop them, and let go of the locks."""
        if self.slot is not None:
            self._held.append((self.slot, Entry(self.value, None)))
        for slot, entry in self._held:
            if kept:
                yield from keep(slot, entry)
            self.results.drop(slot)
        for lock in self.locks:
            yield from let_go(lock)
        self._held, self.locks, self.slot = [], [], None

    def _may_end(self) -> bool:
        """Tell the first who asks, in whatever thread, that the end is theirs to make."""
        return not self.is_over() and next(self._ends) == 0

    def _call(self, hook: Hook, *, deed: str) -> Steps[bool]:
        bound = Hook(hook.name, lambda _run, state: hook.function(self, state))
        try:
            yield Within(self.part, CallHook(bound, Completed()))
        except GeneratorExit:
            raise
        except BaseException as error:  # whatever it is, the others have to be called
            message = f"The {deed} hook {hook.name} of {self.name} failed."
            yield Within(self.part, Complain(message, error))
            return False
        return True
