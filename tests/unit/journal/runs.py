"""Runs that are broken off and taken up again, all in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock import Flow
from penstock.engine.outcome import Outcome
from penstock.engine.runs import FlowRun, TaskRun
from penstock.execution import RunContext, execute
from penstock.journal.chain import MemoryChain
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder
from penstock.states import State


class PowerCut(BaseException):
    """The process ends here."""


class CutChain(MemoryChain):
    """A chain whose process dies at its n-th put: before the record is stored, or after."""

    def __init__(self, *, cut_at: int, stored: bool) -> None:
        super().__init__()
        self._cut_at = cut_at
        self._stored = stored
        self._puts = 0

    @property
    def was_cut(self) -> bool:
        """Whether the process has died."""
        return self._puts >= self._cut_at

    def put(self, number: int, record: bytes) -> None:
        """Store a record as long as the process lives."""
        self._puts += 1
        if self._puts < self._cut_at or (self._puts == self._cut_at and self._stored):
            super().put(number, record)
        if self.was_cut:
            raise PowerCut

    def restored(self) -> MemoryChain:
        """Return a chain with the same records, for the next process."""
        chain = MemoryChain()
        for number, record in enumerate(self.read()):
            chain.put(number, record)
        return chain


@dataclass
class Runs:
    """Attempts of one run on one chain."""

    flow: Flow[..., Any]
    chain: MemoryChain = field(default_factory=MemoryChain)
    attempts: int = 0
    acknowledged: set[str] = field(default_factory=set)
    """Results of the tasks that completed, as far as anybody was told."""

    def attempt(self, *, anew: bool = False, **parameters: object) -> Outcome:
        """Make the next attempt and return what came of it."""
        context = RunContext("daily-1")
        context.journal = open_journal(self.chain, holder=self.next_holder(), anew=anew)
        return execute(self.flow, parameters=parameters, context=context, reporter=self)

    def flow_run_changed(self, run: FlowRun, state: State[object]) -> None:
        """Hear of a flow run."""

    def task_run_changed(self, run: TaskRun, state: State[object]) -> None:
        """Note what was acknowledged."""
        if state.is_completed():
            self.acknowledged.add(repr(state.data))

    def next_holder(self) -> Holder:
        """Return who the next attempt is."""
        self.attempts += 1
        return Holder(attempt=self.attempts, process=f"process {self.attempts}")
