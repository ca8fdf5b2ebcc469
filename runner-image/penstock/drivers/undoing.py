"""Roll-backs that a run owes when it ends without its process: the one launch that makes up for it.

In that launch the flow's body is read anew as in any other: what had finished comes from the
journal, and is staged again in its transactions. Where the flow would do something new, it meets
its cancellation instead, which rolls those back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.drivers.scope import current_scope
from penstock.drivers.suspension import Suspension, Wait
from penstock.errors import CancelledRun
from penstock.states import State

if TYPE_CHECKING:
    from penstock.drivers.call import LiveCall
    from penstock.drivers.context import RunContext
    from penstock.engine.identity import CallKey
    from penstock.engine.retry import AttemptsUsed
    from penstock.engine.transactions import Transaction


class Owed:
    """Tells whether something is to be rolled back if the run ends now."""

    def __init__(self, *, inherited: bool = False, tell: Callable[[], None] = lambda: None) -> None:
        self._inherited = inherited
        self._tell = tell
        self._lock = threading.Lock()
        self._open: list[Transaction] = []

    def add(self, transaction: Transaction) -> None:
        """Note that what is done inside a transaction can be undone."""
        while transaction.parent is not None:
            transaction = transaction.parent
        with self._lock:
            if transaction in self._open:
                return
            self._open.append(transaction)
            is_first = len(self._open) == 1
        if is_first:
            self._tell()

    def __bool__(self) -> bool:
        """Tell it as the launch before did, until this one has come to its transactions."""
        with self._lock:
            if not self._open:
                return self._inherited
            self._open = [each for each in self._open if not each.is_over()]
            self._inherited = False
            return bool(self._open)


class LastLaunch:
    """What a launch does that is there for roll-backs only."""

    def __init__(self, context: RunContext, *, begin_grace: Callable[[], None]) -> None:
        self._context = context
        self._begin_grace = begin_grace

    def stop(self) -> None:
        """Cancel the run: it would do something new."""
        self._begin_grace()
        self._context.request_cancel(message="The run ends, and what it did is rolled back.")

    def meet(
        self, found: State[object] | AttemptsUsed | None, key: CallKey, *, call: LiveCall
    ) -> None:
        """Stop before a call that has no result; sub-flows lead to those that have."""
        if isinstance(found, State) or call.own_frame is not None or not call.is_named(key):
            return
        self.stop()
        if call.caller is not None and not call.submitted:
            call.caller.check_cancelled()
        raise CancelledRun(self._context.cancel_message)

    def meet_news(self) -> None:
        """Stop before something is decided that no launch has decided before."""
        self.stop()
        scope = current_scope.get()
        if scope is not None:
            scope.check_cancelled()

    def waits(self) -> Suspension:
        """Return what notes the run's waits: it does not wait any more."""
        return _NoWaits(self)


class _NoWaits(Suspension):
    def __init__(self, launch: LastLaunch) -> None:
        self._launch = launch

    def is_worth(self, seconds: float) -> bool:
        return True

    def add(self, wait: Wait) -> Callable[[], None]:
        if wait.until is None or wait.until > datetime.now(UTC):
            self._launch.stop()
        return lambda: None
