"""What the queue holds: the objects to look at, and the chores."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a key stands for."""

    RUN = "FlowRun"
    FLOW = "Flow"
    POOL = "WorkPool"
    SCHEDULE = "Schedule"
    LIMIT = "ConcurrencyLimit"
    HISTORY = "History"
    """The finished runs of the Flow of that name."""
    SNAPSHOTS = "Snapshots"
    """The snapshots of that namespace; all that are watched if it is empty."""
    JOURNALS = "Journals"
    """How much the journals of that namespace take."""
    SIGNALS = "Signals"
    """The signals of that namespace, likewise."""


class Key(NamedTuple):
    """One thing to reconcile."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"
