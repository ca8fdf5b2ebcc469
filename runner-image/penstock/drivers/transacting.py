"""Transactions where bodies run: which one a call belongs to, and who carries its end out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

from penstock.drivers.scope import Scope, current_scope, open_block
from penstock.engine import transactions as rule
from penstock.engine.effects import Pause, Steps
from penstock.engine.runs import FlowRun

if TYPE_CHECKING:
    from penstock.drivers.call import LiveCall

T = TypeVar("T")


class Transaction(rule.Transaction):
    """Something that is committed or rolled back as a whole."""

    def commit(self) -> bool:
        """Commit what is inside, and this; tell whether it was done now."""
        return drive(self.committing(), part=self.part)

    def rollback(self) -> bool:
        """Call the roll-back hooks of all that is inside, in reverse; tell whether this did it."""
        return drive(self.rolling_back(), part=self.part)


class AsyncTransaction(rule.Transaction):
    """A transaction of async code: its commit and its roll-back are awaited."""

    async def commit(self) -> bool:
        """Commit what is inside, and this; tell whether it was done now."""
        return await drive_async(self.committing(), part=self.part)

    async def rollback(self) -> bool:
        """Call the roll-back hooks of all that is inside, in reverse; tell whether this did it."""
        return await drive_async(self.rolling_back(), part=self.part)


def transaction_of(call: LiveCall) -> rule.Transaction | None:
    """Return the transaction that a call is; ``None`` where nothing could be undone."""
    caller, hooks = call.caller, call.definition.hooks
    around = enclosing(caller)
    if around is None:
        if not (hooks.on("on_rollback") or hooks.on("on_commit")):
            return None
        around = implicit(caller)
    elif hooks.on("on_rollback") and call.context is not None and call.context.owed is not None:
        call.context.owed.add(around)
    transaction = _kind(is_async=call.definition.is_async)(call.run.name, parent=around)
    transaction.is_subflow = call.own_frame is not None
    return transaction


def enclosing(scope: Scope | None) -> rule.Transaction | None:
    """Return the innermost transaction that is open where a body stands, if there is one yet."""
    block = open_block.get()
    if block is not None and block[0] is scope:
        return block[1]
    return scope.transaction if scope else None


def implicit(scope: Scope | None) -> rule.Transaction | None:
    """Return the transaction that a task's body is; it is made when first needed."""
    if scope is None or scope.is_beside or isinstance(scope.run, FlowRun):
        return None
    if scope.transaction is None:
        from penstock.drivers.loops import runs_here

        kind = _kind(is_async=runs_here())
        scope.transaction = kind(scope.run.name, parent=implicit(scope.parent))
    # Whoever ends the run looks for its transaction after it made the state final.
    return None if scope.run.state.is_final() else scope.transaction


def _kind(*, is_async: bool) -> type[Transaction | AsyncTransaction]:
    return AsyncTransaction if is_async else Transaction


def innermost() -> rule.Transaction | None:
    """Return the transaction of the calling body: a block, or the task that it is."""
    scope = current_scope.get()
    found = enclosing(scope) or implicit(scope)
    while found is not None and found.is_subflow:
        found = found.parent
    return found


def keep_values(values: dict[str, object], *, scope: Scope) -> None:
    """Set in a task's transaction what its body set in another process."""
    transaction = implicit(scope)
    if transaction is not None:
        transaction.values.update(values)


@contextmanager
def transacting(scope: Scope, around: dict[str, object], own: dict[str, object]) -> Iterator[None]:
    """Be the transaction of a body that runs far from its driver's; add to ``own`` what it sets.

    What the body's own tasks did is committed, or undone, here and now: their hooks do not travel.
    """
    if around:
        scope.transaction = Transaction(scope.run.name)
        scope.transaction.values.update(around)
    failed = True
    try:
        yield
        failed = False
    finally:
        if scope.transaction is not None:
            values = scope.transaction.values.items()
            own.update((name, v) for name, v in values if around.get(name, values) is not v)
            drive(scope.transaction.ending(failed=failed), part=None)


def drive(steps: Steps[T], *, part: object) -> T:
    """Carry out, in the calling thread, what ending a transaction takes."""
    from penstock.drivers.progress import Progress
    from penstock.drivers.threads import resume
    from penstock.drivers.waiting import pause

    progress, trouble = Progress(cast("LiveCall", part), steps), None
    while isinstance(step := resume(progress, trouble=trouble), Pause):
        trouble = None
        try:
            pause(step.seconds, scope=current_scope.get(), early=step.early)
        except BaseException as error:  # the rule decides what it means
            trouble = error
    return step


async def drive_async(steps: Steps[T], *, part: object) -> T:
    """Carry out, in the running loop, what ending a transaction takes."""
    from penstock.drivers.loops import pause, resume
    from penstock.drivers.progress import Progress

    progress, trouble = Progress(cast("LiveCall", part), steps), None
    while isinstance(step := await resume(progress, trouble=trouble), Pause):
        trouble = None
        try:
            await pause(step.seconds, scope=current_scope.get(), early=step.early)
        except BaseException as error:  # the same
            trouble = error
    return step
