"""The heartbeats of one attempt: they renew its time, and keep how far it came.

The last payload stays with the task's run, for its next attempt, and goes into the run's journal,
for a later process: at once if it is the first, then every few seconds, and when the attempt fails.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from penstock.drivers.clocks import monotonic
from penstock.drivers.runlog import complain
from penstock.drivers.scope import Scope
from penstock.engine.runs import BeatReporter, TaskRun
from penstock.errors import UnstorableValue

STORED_EVERY = 10.0
"""Seconds between two payloads of an attempt that a journal stores."""

TOLD_EVERY = 1.0
"""Seconds between two of which reporters hear."""

sent_home: ContextVar[Callable[[object], None] | None] = ContextVar("penstock_beats", default=None)
"""Takes a payload from a worker process to the run; elsewhere there is nothing such."""


class Beats:
    """What is known of an attempt's heartbeats."""

    __slots__ = ("_next_storing", "_next_telling", "_scope", "renew", "unstored")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._next_storing = self._next_telling = 0.0
        self.renew: Callable[[], None] = _nothing
        """Is told of each."""
        self.unstored: tuple[object, ...] = ()
        """The last payload, if the journal does not have it yet."""

    def beat(self, payload: object) -> None:
        """Take note of a heartbeat."""
        self.renew()
        run = self._scope.run
        assert isinstance(run, TaskRun), "flows have no heartbeat"
        run.heartbeat = payload
        if payload is None:
            return
        self.unstored, moment = (payload,), monotonic()
        if moment >= self._next_telling:
            self._next_telling = moment + TOLD_EVERY
            self._tell(run)
        if moment >= self._next_storing:
            self._next_storing = moment + STORED_EVERY
            self._store(run)

    def _tell(self, run: TaskRun) -> None:
        for reporter in self._scope.context.reporters if self._scope.context else ():
            if isinstance(reporter, BeatReporter):
                reporter.heartbeat_sent(run)

    def _store(self, run: TaskRun) -> None:
        journal, key = self._scope.journal, self._scope.key
        if journal is None or key is None:
            return
        try:
            journal.record_beat(key, payload=run.heartbeat)
        except UnstorableValue as error:
            self._next_storing = float("inf")
            complain(run, f"A later process will not know this heartbeat: {error}")
        self.unstored = ()


def _nothing() -> None:
    """Have nobody to tell."""


def last_beat(scope: Scope) -> object:
    """Return the last payload of the task's attempts, in this process or an earlier one."""
    run, journal, key = scope.run, scope.journal, scope.key
    if isinstance(run, TaskRun) and run.heartbeat is None and journal and key:
        run.heartbeat = journal.last_beat(key)
    return getattr(run, "heartbeat", None)
