"""Until when a flow waits for slots, where that outlives its process.

A flow that may leave its pod while it waits comes back to the same deadline, and to what came of
the wait: else a relaunch would wait longer than it was told to, or go another way than before. Both
are kept as moments in the journal, and only of waits that are long enough to be left. They count
for one attempt of the flow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from penstock.clock import now
from penstock.concurrency.claims import Request
from penstock.drivers.scope import Scope, epoch_in
from penstock.engine.identity import CallKey
from penstock.engine.runs import TaskRun

if TYPE_CHECKING:
    from penstock.journal.protocol import Journal


class Term:
    """What the journal says of one wait, and when that wait ends."""

    def __init__(self, journal: Journal, *, key: CallKey, epoch: Callable[[], str]) -> None:
        self._journal = journal
        self._epoch = epoch
        self._until, self._had, self._late = (
            key.beside(f"slots {what}") for what in ("until", "had", "late")
        )
        self.until = journal.due(self._until, epoch=epoch)
        """When the wait ends, once that is stored."""

    @property
    def was_had(self) -> bool:
        """Whether an earlier attempt was given the slots in time."""
        return self._journal.due(self._had, epoch=self._epoch) is not None

    @property
    def was_late(self) -> bool:
        """Whether an earlier attempt waited in vain."""
        return self._journal.due(self._late, epoch=self._epoch) is not None

    def begin(self, seconds: float) -> None:
        """Store when the wait ends, unless that is stored."""
        due = now() + timedelta(seconds=seconds)
        self.until = self._journal.deadline(self._until, due=due, epoch=self._epoch)

    def note_had(self) -> None:
        """Store that the slots were had."""
        self._journal.deadline(self._had, due=now(), epoch=self._epoch)

    def note_late(self) -> None:
        """Store that they were not had in time."""
        self._journal.deadline(self._late, due=now(), epoch=self._epoch)


def term_of(request: Request, *, scope: Scope | None) -> Term | None:
    """Return the term of a wait with a time-out for which a flow may leave its pod."""
    seconds = request.timeout_seconds
    if seconds is None or scope is None or scope.context is None or scope.journal is None:
        return None
    suspension = scope.context.suspension
    if suspension is None or isinstance(scope.run, TaskRun) or not suspension.is_worth(seconds):
        return None
    wanted = f"{','.join(sorted(request.names))} {request.slots} {request.held}"
    # It takes no number among the calls: most such waits leave nothing in the journal.
    key = scope.open_branch().draw(identity="slots", digest=wanted, ordinal=0)
    return Term(scope.journal, key=key, epoch=partial(epoch_in, scope))
