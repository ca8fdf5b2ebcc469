"""What the engine needs of a store of results, and what it knows of one that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept under a key."""

    value: object
    expires_at: datetime | None

    def has_expired(self, now: datetime) -> bool:
        """Tell whether it holds no more at ``now``."""
        return self.expires_at is not None and self.expires_at <= now


class Results(Protocol):
    """A store of results. Called from many threads at once; whatever fails in it may raise."""

    @property
    def waits(self) -> bool:
        """Whether its calls wait for a disk or a network: an event loop makes them elsewhere."""

    def find(self, key: str) -> Entry | None:
        """Return what is kept under ``key``.

        Raises ``UnreadableValue`` where something is that cannot be read: it may be replaced.
        """

    def keep(self, key: str, *, entry: Entry) -> None:
        """Keep ``entry`` in place of what was there; once this returns, everybody finds it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one result."""

    results: Results
    key: str
    name: str
    """Of the task, or whatever else the result is of, for complaints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """What an author says about keeping results; ``None``: nothing, so the flow around decides."""

    persist: bool | None = None
    storage: object = None
    """Where: a file system."""
    serializer: object = None
    """How they become bytes."""
    in_memory: bool | None = None
    """Whether the objects themselves are kept beside what is stored."""

    def within(self, around: Persistence | None) -> Persistence:
        """Return what holds for a task that says this inside a flow that says ``around``."""
        if around is None:
            return self
        return Persistence(
            persist=around.persist if self.persist is None else self.persist,
            storage=around.storage if self.storage is None else self.storage,
            serializer=around.serializer if self.serializer is None else self.serializer,
            in_memory=around.in_memory if self.in_memory is None else self.in_memory,
        )
