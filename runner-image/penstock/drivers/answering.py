"""An update: a signal whose sender is owed an answer, which is given once.

The answer is noted in the journal before anybody is told, and what was noted counts: a run that is
taken up again in between answers the same, whatever its code would say now.
"""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from penstock.drivers.inbox import Inbox, Message, Verdict
from penstock.engine.identity import CallKey
from penstock.journal.protocol import Journal
from penstock.plain import plain_json

T = TypeVar("T")

ANSWER = "update answer"
"""What the notes of answers are called in a journal."""
LARGEST_ANSWER = 4 * 1024
"""Bytes of JSON: answers travel in the run's status."""


class Update(Generic[T]):
    """A message that waits for its answer. Leaving its ``with`` block answers it at the latest."""

    def __init__(
        self, payload: T, *, message: Message, key: CallKey, journal: Journal | None, inbox: Inbox
    ) -> None:
        self.payload = payload
        """What was sent, as the type that was asked for."""
        self.name = message.name
        self.sender = message.sender
        """Who sent it; the API server has verified it."""
        self.groups = message.groups
        self.sent_at: datetime = message.sent_at
        self._message = message
        self._key = key
        self._journal = journal
        self._inbox = inbox
        self._is_answered = False

    def answer(self, value: object = None) -> None:
        """Give the sender a value: of JSON's types, a pydantic model or a dataclass.

        It takes at most 4 KiB of JSON. Returns when the journal has it. Raises ``ValueError`` for
        what cannot be sent, and ``RuntimeError`` where an answer was given before.
        """
        plain = plain_json(value, what=f"The answer to {self.name}", limit=LARGEST_ANSWER)
        self._settle(Verdict(state="Consumed", answer=plain))

    def reject(self, why: str) -> None:
        """Refuse the update, and tell its sender why."""
        self._settle(Verdict(state="Rejected", message=why[:1000]))

    def _settle(self, verdict: Verdict) -> None:
        if self._is_answered:
            raise RuntimeError(f"The update {self.name} has its answer; one is given once.")
        if self._journal is not None:
            noted = self._journal.note(self._key, make=lambda: _noted(self._message, verdict))
            _, verdict = answer_in(noted)
        self._is_answered = True
        self._inbox.settle(self._message, verdict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Answer with nothing, or reject the update with what went wrong, if that is still to do.

        A run that is cancelled says nothing: its end rejects the update.
        """
        if self._is_answered:
            return
        if error is None:
            self.answer()
        elif isinstance(error, Exception):
            self.reject(f"{type(error).__name__}: {error}")


def _noted(message: Message, verdict: Verdict) -> dict[str, object]:
    return {
        "id": message.id,
        "state": verdict.state,
        "message": verdict.message,
        "answer": verdict.answer,
    }


def answer_in(noted: object) -> tuple[str, Verdict]:
    """Return which message a note is about, and what it was answered."""
    fields = cast("dict[str, Any]", noted)
    verdict = Verdict(state=fields["state"], message=fields["message"], answer=fields["answer"])
    return fields["id"], verdict
