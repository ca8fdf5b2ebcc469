"""What the report says of a run's records: the last artifacts and events, without their data.

An artifact's data may be of any size; here is its beginning, which is what fits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from penstock.engine.records import Event, Kept, KeptArtifact, Published

if TYPE_CHECKING:
    from uuid import UUID

ARTIFACTS = 50
EVENTS = 10
TEXT = 257
"""Characters of a text: one more than a report has, so that it shows where it was cut."""
_RESOURCE_IDS = ("penstock.resource.id", "prefect.resource.id")


@dataclass(frozen=True, slots=True)
class ArtifactLine:
    """An artifact, as its latest version has it."""

    key: str | None
    type: str
    description: str
    at: datetime
    task_run: str
    preview: str


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event."""

    event: str
    resource: str
    at: datetime
    task_run: str


class RecordIndex:
    """The last artifacts and events, and how many there are in all."""

    def __init__(self) -> None:
        self._artifacts: dict[str, ArtifactLine] = {}
        self._known: set[UUID] = set()
        self.events: deque[EventLine] = deque(maxlen=EVENTS)
        self.events_emitted = 0
        self.values: dict[str, Any] = {}
        """What was published, by key, the latest at the end."""

    @property
    def artifacts_made(self) -> int:
        """How many artifacts there are, however often they were updated."""
        return len(self._known)

    @property
    def artifacts(self) -> list[ArtifactLine]:
        """The last artifacts, one for each key, the latest at the end."""
        return list(self._artifacts.values())

    def add(self, record: Kept) -> None:
        """Take note of a record."""
        if isinstance(record, Event):
            self.events_emitted += 1
            self.events.append(_event_line(record))
            return
        if isinstance(record, Published):
            self.values.pop(record.key, None)
            self.values[record.key] = record.value
            return
        self._known.add(record.id)
        name = record.key or str(record.id)
        self._artifacts.pop(name, None)
        self._artifacts[name] = _artifact_line(record)
        if len(self._artifacts) > ARTIFACTS:
            del self._artifacts[next(iter(self._artifacts))]


def _artifact_line(artifact: KeptArtifact) -> ArtifactLine:
    data = artifact.data
    return ArtifactLine(
        key=artifact.key,
        type=artifact.type or "",
        description=(artifact.description or "")[:TEXT],
        at=artifact.updated,
        task_run=_short(artifact.task_run_id),
        preview=f"{data:g} %" if isinstance(data, float) else str(data)[:TEXT],
    )


def _event_line(event: Event) -> EventLine:
    named = next((event.resource[label] for label in _RESOURCE_IDS if label in event.resource), "")
    return EventLine(
        event=event.event,
        resource=named[:TEXT],
        at=event.occurred,
        task_run=_short(event.task_run_id),
    )


def _short(task_run_id: str | None) -> str:
    """Leave the run's own name out of the task run's: ``daily-x7k2p/load-0`` is ``load-0``."""
    return (task_run_id or "").partition("/")[2] or task_run_id or ""
