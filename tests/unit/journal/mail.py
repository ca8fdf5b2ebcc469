"""Signals for a run over its attempts, and what the world is told of each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.unit.journal.runs import PowerCut

from penstock import Flow
from penstock.drivers.inbox import Inbox, Message, Verdict
from penstock.drivers.receiving import settled_in
from penstock.engine.outcome import Outcome
from penstock.execution import RunContext, execute
from penstock.journal.chain import MemoryChain
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def message(name: str, payload: object = None, *, id: str = "s1", **fields: Any) -> Message:  # noqa: A002
    """A signal from ada."""
    values = {"sender": "ada", "sent_at": NOW} | fields
    return Message(id=id, name=name, payload=payload, **values)


class Mail:
    """The signals that the world has for a run, over its attempts."""

    def __init__(self, *messages: Message, chain: MemoryChain | None = None) -> None:
        self.messages = list(messages)
        self.told: list[tuple[str, Verdict]] = []
        """Everything that the world was told, by the signal's id, in its order."""
        self.chain = chain or MemoryChain()
        self.attempts = 0
        self.cut_at: int | None = None
        """Which word to the world is the process's last: it is said, and then the power goes."""

    @property
    def settled(self) -> dict[str, tuple[str, str]]:
        """What the world knows at the end of each signal."""
        return {id_: (verdict.state, verdict.message) for id_, verdict in self.told}

    def run(self, flow: Flow[..., Any]) -> Outcome:
        """Make the next attempt."""
        self.attempts += 1
        context = RunContext("daily-1")
        holder = Holder(attempt=self.attempts, process=f"process {self.attempts}")
        context.journal = journal = open_journal(self.chain, holder=holder)
        context.inbox = Inbox(settle=self._settle)
        for taken, verdict in settled_in(journal):
            context.inbox.remember(taken)
            self.told.append((taken.id, verdict))
        context.inbox.deliver(self.messages)
        return execute(flow, parameters={}, context=context)

    def _settle(self, message: Message, verdict: Verdict) -> None:
        self.told.append((message.id, verdict))
        if self.cut_at == len(self.told):
            raise PowerCut
