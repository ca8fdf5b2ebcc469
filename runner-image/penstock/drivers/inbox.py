"""Where signals for a run arrive: each is taken once, by the first wait for its name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Settle = Callable[["Message", "Verdict"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One signal, as it was sent."""

    id: str
    """Unique: no signal is consumed twice."""
    name: str
    payload: object
    sender: str
    groups: tuple[str, ...] = ()
    sent_at: datetime
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What has become of a signal."""

    state: Literal["Received", "Consumed", "Rejected"]
    """``Received``: the run has it, and owes an answer."""
    message: str = ""
    """Why it was rejected."""
    answer: object = None
    """Of JSON's types; ``None`` where there is none."""

    @property
    def is_final(self) -> bool:
        """Whether this will never change."""
        return self.state != "Received"


RECEIVED = Verdict(state="Received")
CONSUMED = Verdict(state="Consumed")


class Inbox:
    """The signals of one run. Whoever brings them calls ``deliver``; waits ``take`` them."""

    def __init__(
        self,
        *,
        settle: Settle | None = None,
        tell_awaited: Callable[[tuple[str, ...]], None] = lambda _: None,
    ) -> None:
        self._settle = settle or _nobody_cares
        self._tell_awaited = tell_awaited
        self._awaited: list[str] = []
        self._lock = threading.Lock()
        self._waiting: list[Message] = []
        self._known: set[str] = set()
        self._keys: set[tuple[str, str]] = set()
        self._wakers: list[Callable[[], None]] = []
        self.is_wanted = threading.Event()
        """Set while somebody waits: those that have to ask for signals need not ask otherwise."""

    def remember(self, message: Message) -> None:
        """Note that an earlier attempt has consumed a signal."""
        with self._lock:
            self._known.add(message.id)
            if message.idempotency_key is not None:
                self._keys.add((message.name, message.idempotency_key))

    def deliver(self, messages: Iterable[Message]) -> None:
        """Add what has arrived; what is known already is left out."""
        with self._lock:
            new = [message for message in messages if message.id not in self._known]
            self._known.update(message.id for message in new)
            self._waiting += new
            wakers = list(self._wakers) if new else []
        for wake in wakers:
            wake()

    def take(self, name: str) -> Message | None:
        """Return the first signal of a name, and keep it from everybody else."""
        while True:
            with self._lock:
                found = next((each for each in self._waiting if each.name == name), None)
                if found is None:
                    return None
                self._waiting.remove(found)
                key = found.idempotency_key
                repeated = key is not None and (name, key) in self._keys
                if key is not None:
                    self._keys.add((name, key))
            if not repeated:
                return found
            words = f"A signal {name} with the key {key} was taken before."
            self.settle(found, Verdict(state="Rejected", message=words))

    def has(self, name: str) -> bool:
        """Tell whether a signal of that name waits to be taken."""
        with self._lock:
            return any(message.name == name for message in self._waiting)

    def refuse(self, message: Message, *, why: str) -> None:
        """Tell the world that a signal which was taken will not do; its key stays free."""
        if message.idempotency_key is not None:
            with self._lock:
                self._keys.discard((message.name, message.idempotency_key))
        self.settle(message, Verdict(state="Rejected", message=why))

    def settle(self, message: Message, verdict: Verdict) -> None:
        """Tell the world what became of a signal."""
        self._settle(message, verdict)

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called whenever something has arrived."""
        with self._lock:
            self._wakers.append(wake)
        self.is_wanted.set()

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        """Forget a waker: its wait is over."""
        with self._lock:
            self._wakers.remove(wake)
            if not self._wakers:
                self.is_wanted.clear()

    @contextmanager
    def awaiting(self, name: str) -> Iterator[None]:
        """Note, while it lasts, that somebody waits for a signal of that name."""
        with self._lock:
            self._awaited.append(name)
            self._tell_awaited(tuple(dict.fromkeys(self._awaited)))
        try:
            yield
        finally:
            with self._lock:
                self._awaited.remove(name)
                self._tell_awaited(tuple(dict.fromkeys(self._awaited)))

    def rest(self) -> None:
        """Have nobody ask for signals, unless somebody waits."""
        with self._lock:
            if not self._wakers:
                self.is_wanted.clear()


current_inbox: ContextVar[Inbox | None] = ContextVar("penstock_inbox", default=None)
"""The inbox of runs that have none of their own: a test's."""


def _nobody_cares(message: Message, verdict: Verdict) -> None:
    """Leave the signal as it is."""
