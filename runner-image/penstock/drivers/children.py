"""The runs that a run has started in the cluster: which are waited for, and which have ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from penstock.clock import now
from penstock.drivers import waiting
from penstock.drivers.scope import Scope
from penstock.drivers.suspension import Wait
from penstock.engine.runs import TaskRun
from penstock.states import State

ClosePolicy = Literal["Cancel", "Abandon"]
LONGEST_STEM = 41
"""Of a name with ten letters at its end: a run's name has 52 characters at most."""
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def letters_of(digest: bytes) -> str:
    """Return ten letters that stand for a digest in a name."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run that is to be started."""

    flow: str
    """Name of the Flow in the cluster."""
    parameters: Mapping[str, object]
    """In JSON's types."""
    close_policy: ClosePolicy
    timeout_seconds: int | None


class Children:
    """The children of one run. Whoever follows those that are awaited calls ``tell_of_end``."""

    def __init__(
        self,
        *,
        parent: str,
        parent_uid: str,
        start: Callable[[Order, str], None],
        final_state: Callable[[str], State[object]],
        read: Callable[[str], Mapping[str, Any] | None] = lambda _: None,
    ) -> None:
        self._parent = parent
        self._uid = parent_uid
        self.start = start
        """Starts the child of a name, unless it was started before."""
        self.final_state = final_state
        """Tells how a child has ended; with its result, or why there is none."""
        self.read = read
        """Reads the child as an object of the cluster; ``None`` if it is gone."""
        self._lock = threading.Lock()
        self._ended: set[str] = set()
        self._wakers: dict[str, list[Callable[[], None]]] = {}
        self.is_wanted = threading.Event()
        """Set while somebody waits."""

    def name_of(self, call: str) -> str:
        """Return the name that the child of a call has, and no other call's."""
        digest = sha256(f"{self._uid}/{call}".encode()).digest()
        return f"{self._parent[:LONGEST_STEM].rstrip('-')}-{letters_of(digest)}"

    def awaited(self) -> list[str]:
        """Return the names of those whose end is waited for."""
        with self._lock:
            return list(self._wakers)

    def tell_of_end(self, name: str) -> None:
        """Note that a child has ended."""
        with self._lock:
            self._ended.add(name)
            wakers = list(self._wakers.get(name, ()))
        for wake in wakers:
            wake()

    def has_ended(self, name: str) -> bool:
        """Tell whether a child is known to have ended."""
        with self._lock:
            return name in self._ended

    def subscribe(self, name: str, wake: Callable[[], None]) -> None:
        """Have ``wake`` called when a child has ended."""
        with self._lock:
            self._wakers.setdefault(name, []).append(wake)
        self.is_wanted.set()

    def unsubscribe(self, name: str, wake: Callable[[], None]) -> None:
        """Forget a waker: its wait is over."""
        with self._lock:
            left = self._wakers.get(name, [])
            left.remove(wake)
            if not left:
                del self._wakers[name]
            if not self._wakers:
                self.is_wanted.clear()


class Attending:
    """One wait for the end of a child."""

    def __init__(self, name: str, *, scope: Scope, children: Children) -> None:
        self._name = name
        self._scope = scope
        self._children = children
        self._wake: Callable[[], None] | None = None

    def is_over(self) -> bool:
        """Tell whether the child has ended."""
        return self._children.has_ended(self._name)

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called when it has."""
        self._wake = wake
        self._children.subscribe(self._name, wake)

    def unsubscribe(self) -> None:
        """Wait no longer."""
        if self._wake is not None:
            self._children.unsubscribe(self._name, self._wake)
            self._wake = None

    def noted(self) -> AbstractContextManager[None]:
        """Note that the run waits, if no task does: that holds its pod."""
        suspension = self._scope.context.suspension if self._scope.context else None
        if suspension is None or isinstance(self._scope.origin.run, TaskRun):
            return nullcontext()
        return suspension.waiting(Wait(kind="Run", name=self._name, since=now(), until=None))


def wait_for_end(name: str, *, scope: Scope, children: Children) -> None:
    """Wait in the calling thread until a child has ended."""
    attending = Attending(name, scope=scope, children=children)
    with attending.noted():
        try:
            waiting.block_until(attending.is_over, subscribe=attending.subscribe, scope=scope)
        finally:
            attending.unsubscribe()


async def wait_for_end_async(name: str, *, scope: Scope, children: Children) -> None:
    """Suspend the coroutine until a child has ended."""
    from penstock.drivers import loops

    attending = Attending(name, scope=scope, children=children)
    with attending.noted():
        try:
            await loops.suspend_until(attending.is_over, subscribe=attending.subscribe, scope=scope)
        finally:
            attending.unsubscribe()
