"""Where a run keeps what it leaves to be read."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from penstock.engine.records import Event, Kept, KeptArtifact, Published

EVENTS = 1000
"""Events of a run that its memory holds: the latest."""


class Records:
    """The records of one run. Threads may add to it at the same time."""

    def __init__(self) -> None:
        self._artifacts: dict[UUID, KeptArtifact] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._published: dict[str, Published] = {}
        self._left: dict[str, dict[UUID | str, Kept]] = {}

    @property
    def artifacts(self) -> list[KeptArtifact]:
        """The latest version of each, the one that was kept last at the end."""
        return list(self._artifacts.values())

    @property
    def events(self) -> list[Event]:
        """The latest, in the order in which they were emitted."""
        return list(self._events)

    @property
    def published(self) -> list[Published]:
        """The value of each key, the one that was set last at the end."""
        return list(self._published.values())

    def value(self, key: str) -> Published | None:
        """Return what was published last under a key."""
        return self._published.get(key)

    def artifact(self, artifact_id: UUID) -> KeptArtifact | None:
        """Return the latest version of an artifact."""
        return self._artifacts.get(artifact_id)

    def latest(self, key: str | None) -> KeptArtifact | None:
        """Return the artifact of a key that was kept last; of any, where no key is named."""
        found = reversed(self.artifacts)
        return next((each for each in found if key is None or each.key == key), None)

    def keep(self, record: Kept, *, makers: Sequence[str] = ()) -> Kept:
        """Add a record; return it, with what a new version leaves out taken from the old one.

        ``makers`` are the runs that a journal will want to know of what they left.
        """
        # Most runs keep none, and their processes are to start soon.
        from penstock.engine.records import Event, Published, succeed

        if isinstance(record, Event):
            self._events.append(record)
        elif isinstance(record, Published):
            self._published.pop(record.key, None)
            self._published[record.key] = record
        else:
            before = self._artifacts.pop(record.id, None)
            if before is not None:
                record = succeed(before, record)
            self._artifacts[record.id] = record
        for maker in makers:
            self._left.setdefault(maker, {})[record.id] = record
        return record

    def take_left(self, run_id: str) -> list[Kept]:
        """Return what a run has left, itself and by what it called, and forget whose it is."""
        return list(self._left.pop(run_id, {}).values()) if self._left else []
