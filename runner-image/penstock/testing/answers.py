"""Answers for flows that wait for people: given before the flow asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from penstock import clock
from penstock.drivers.inbox import Inbox, Message, Verdict, current_inbox

__all__ = ["Sent", "answered"]


class _ToldInbox(Inbox):
    """Keeps what became of each signal."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}
        super().__init__(settle=self._keep)

    def _keep(self, message: Message, verdict: Verdict) -> None:
        self.verdicts[message.id] = verdict


class Sent:
    """A signal that a test has sent, and what became of it."""

    def __init__(self, message: Message, *, inbox: _ToldInbox) -> None:
        self._message = message
        self._inbox = inbox

    @property
    def state(self) -> str:
        """``Pending``, ``Received`` (an update without an answer), ``Consumed``, ``Rejected``."""
        verdict = self._verdict
        return verdict.state if verdict else "Pending"

    @property
    def answer(self) -> Any:
        """What the flow answered, in JSON's types."""
        return self._verdict.answer if self._verdict else None

    @property
    def message(self) -> str:
        """Why it was rejected."""
        return self._verdict.message if self._verdict else ""

    @property
    def _verdict(self) -> Verdict | None:
        return self._inbox.verdicts.get(self._message.id)


@contextmanager
def answered(name: str, payload: object = None, *, sender: str = "test") -> Iterator[Sent]:
    """Have the signal ``name`` wait for flows that are called inside; nest it for several.

    ``payload`` is what a person would send, in JSON's types. The first wait takes it; a second one
    for the same name waits for the next. What becomes of it is told by what this returns: for
    updates, the answer.
    """
    around = current_inbox.get()
    token = None
    if not isinstance(around, _ToldInbox):
        around = _ToldInbox()
        token = current_inbox.set(around)
    message = Message(
        id=uuid4().hex, name=name, payload=payload, sender=sender, sent_at=clock.now()
    )
    around.deliver([message])
    sent = Sent(message, inbox=around)
    try:
        yield sent
    finally:
        if token is not None:
            current_inbox.reset(token)
