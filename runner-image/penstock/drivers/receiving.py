"""One wait for a signal: what the journal says of it, what arrives, and when its time is over.

What was received, or that nothing came in time, is noted before the flow goes on; a run that is
taken up again finds the same. An update is a signal that is owed an answer (``answering``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from penstock import clock
from penstock.drivers import waiting
from penstock.drivers.answering import ANSWER, Update, answer_in
from penstock.drivers.inbox import CONSUMED, RECEIVED, Inbox, Message, Verdict
from penstock.drivers.runlog import FLOW_RUNS, TASK_RUNS, extra_of
from penstock.drivers.scope import Scope
from penstock.drivers.suspension import Wait
from penstock.engine.runs import TaskRun
from penstock.errors import SignalTimeoutError

if TYPE_CHECKING:
    from penstock.journal.run_journal import RunJournal

NOTE = "signal"
"""What the notes of received signals are called in a journal."""
UPDATE = "update"
"""And those of updates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is waited for."""

    name: str
    accept: Callable[[Message], object]
    """Makes the value of a message; raises ``ValueError`` if it is not what was asked for."""
    timeout_seconds: float | None
    schema: Callable[[], Mapping[str, object] | None]
    """Tells which payloads will do."""
    is_update: bool = False
    """Whether an answer is owed."""


class _NotYet:
    """Nothing has come that would do."""


_NOT_YET = _NotYet()


class Receiving:
    """The wait as far as it has come; ``receive`` and ``receive_async`` drive it."""

    def __init__(self, expected: Expected, *, scope: Scope, inbox: Inbox) -> None:
        self._expected = expected
        self._scope = scope
        self._journal = scope.journal
        self._inbox = inbox
        self._deadline: datetime | None = None
        self._wake: Callable[[], None] | None = None
        note = UPDATE if expected.is_update else NOTE
        self._key = scope.draw(identity=note, digest=expected.name)
        self._deadline_key = self._key.beside(f"{note} deadline")
        self._answer_key = self._key.beside(ANSWER) if expected.is_update else None

    def recall(self) -> object:
        """Return what an earlier attempt received; else begin to wait."""
        noted = self._journal.noted(self._key) if self._journal else None
        if isinstance(noted, dict):
            return self._value_of(noted)
        if self._expected.timeout_seconds is not None:
            self._deadline = self._note_deadline(self._expected.timeout_seconds)
        return self.look()

    def look(self) -> object:
        """Return what has come and will do; raise ``SignalTimeoutError`` when it is too late."""
        while (message := self._inbox.take(self._expected.name)) is not None:
            try:
                value = self._expected.accept(message)
            except ValueError as error:
                self._inbox.refuse(message, why=str(error)[:1000])
                self._log(f"Refused {self._words(message)}: {error}")
                continue
            self._note(_noted(message))
            self._log(f"Took {self._words(message)}.")
            self._inbox.settle(message, RECEIVED if self._expected.is_update else CONSUMED)
            return self._given(value, message)
        if self.seconds_left() == 0.0:
            self._note({"timedOut": True})
            raise self._timed_out()
        return _NOT_YET

    def has_news(self) -> bool:
        """Tell whether it is time to look again."""
        return self._inbox.has(self._expected.name) or self.seconds_left() == 0.0

    def seconds_left(self) -> float | None:
        """Return how long the wait may still take; ``None``: for ever."""
        if self._deadline is None:
            return None
        return max(0.0, (self._deadline - clock.now()).total_seconds())

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called when something arrives."""
        self._wake = wake
        self._inbox.subscribe(wake)

    def unsubscribe(self) -> None:
        """Wait no longer."""
        if self._wake is not None:
            self._inbox.unsubscribe(self._wake)
            self._wake = None

    @contextmanager
    def noted_wait(self) -> Iterator[None]:
        """Note that the run waits, while it does."""
        with self._inbox.awaiting(self._expected.name), self._leaving_the_pod():
            yield

    def _leaving_the_pod(self) -> AbstractContextManager[None]:
        """Let the process be left meanwhile, if it is the flow that waits: a task holds its pod."""
        context = self._scope.context
        suspension = context.suspension if context else None
        if suspension is None or isinstance(self._scope.run, TaskRun):
            return nullcontext()
        now = clock.now()
        return suspension.waiting(
            Wait(
                kind="Signal",
                name=self._expected.name,
                since=now,
                until=self._deadline,
                payload_schema=self._expected.schema(),
            )
        )

    def _log(self, sentence: str) -> None:
        logger = TASK_RUNS if isinstance(self._scope.run, TaskRun) else FLOW_RUNS
        logger.info("%s", sentence, extra=extra_of(self._scope.run))

    def _words(self, message: Message) -> str:
        kind = "update" if self._expected.is_update else "signal"
        return f"the {kind} {message.name} from {message.sender}, sent {message.sent_at:%F %T %Z}"

    def _note(self, fields: dict[str, object]) -> None:
        if self._journal is not None:
            self._journal.note(self._key, make=lambda: fields)

    def _note_deadline(self, seconds: float) -> datetime:
        end = clock.now() + timedelta(seconds=seconds)
        if self._journal is None:
            return end
        return datetime.fromisoformat(
            str(self._journal.note(self._deadline_key, make=end.isoformat))
        )

    def _value_of(self, noted: dict[str, Any]) -> object:
        if noted.get("timedOut"):
            raise self._timed_out()
        message = message_of(noted)
        return self._given(self._expected.accept(message), message)

    def _given(self, value: object, message: Message) -> object:
        """Return what the flow gets: the value, or what it answers by."""
        if self._answer_key is None:
            return value
        return Update(
            value, message=message, key=self._answer_key, journal=self._journal, inbox=self._inbox
        )

    def _timed_out(self) -> SignalTimeoutError:
        return SignalTimeoutError(
            f"No signal {self._expected.name} came within "
            f"{self._expected.timeout_seconds:g} seconds."
        )


def _noted(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "name": message.name,
        "payload": message.payload,
        "sender": message.sender,
        "groups": list(message.groups),
        "sentAt": message.sent_at.isoformat(),
        "key": message.idempotency_key,
    }


def message_of(noted: dict[str, Any]) -> Message:
    """Return the signal that a note tells of."""
    return Message(
        id=noted["id"],
        name=noted["name"],
        payload=noted["payload"],
        sender=noted["sender"],
        groups=tuple(noted["groups"]),
        sent_at=datetime.fromisoformat(noted["sentAt"]),
        idempotency_key=noted["key"],
    )


def settled_in(journal: RunJournal) -> list[tuple[Message, Verdict]]:
    """Return the signals that earlier attempts took, and what became of them, as it was noted."""
    answers = dict(map(answer_in, journal.notes(ANSWER)))
    signals = [(message, CONSUMED) for message in _taken_in(journal.notes(NOTE))]
    updates = _taken_in(journal.notes(UPDATE))
    return signals + [(update, answers.get(update.id, RECEIVED)) for update in updates]


def _taken_in(notes: Iterable[object]) -> list[Message]:
    return [message_of(noted) for noted in notes if isinstance(noted, dict) and "id" in noted]


def receive(expected: Expected, *, scope: Scope, inbox: Inbox) -> object:
    """Wait in the calling thread for a signal that will do, and return its value."""
    receiving = Receiving(expected, scope=scope, inbox=inbox)
    value = receiving.recall()
    if value is not _NOT_YET:
        return value
    with receiving.noted_wait():
        while value is _NOT_YET:
            try:
                waiting.block_until(
                    receiving.has_news,
                    subscribe=receiving.subscribe,
                    scope=scope,
                    timeout=receiving.seconds_left(),
                )
            finally:
                receiving.unsubscribe()
            value = receiving.look()
    return value


async def receive_async(expected: Expected, *, scope: Scope, inbox: Inbox) -> object:
    """Await a signal that will do, and return its value."""
    from asyncio import to_thread

    from penstock.drivers import loops

    receiving = Receiving(expected, scope=scope, inbox=inbox)
    value = await to_thread(receiving.recall)
    if value is not _NOT_YET:
        return value
    with receiving.noted_wait():
        while value is _NOT_YET:
            try:
                await loops.suspend_until(
                    receiving.has_news,
                    subscribe=receiving.subscribe,
                    scope=scope,
                    timeout=receiving.seconds_left(),
                )
            finally:
                receiving.unsubscribe()
            value = await to_thread(receiving.look)
    return value
