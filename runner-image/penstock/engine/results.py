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
