"""What a run leaves to be read: artifacts, events, published values, and where it keeps them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

EVENTS = 1000
"""Events of a run that its memory holds: the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptArtifact:
    """One artifact of a run, as its latest version has it."""

    id: UUID
    type: str | None
    """``markdown``, ``table``, ``link``, ``image``, ``progress``, or the author's own word."""
    key: str | None
    """Names the artifact over runs."""
    description: str | None
    data: Any
    """Of JSON's types; a table is JSON text."""
    metadata_: Mapping[str, str] | None = None
    created: datetime
    updated: datetime
    flow_run_id: str | None = None
    task_run_id: str | None = None

    @property
    def is_update(self) -> bool:
        """Whether an earlier version had the same id."""
        return self.updated != self.created


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a resource."""

    id: UUID
    event: str
    resource: Mapping[str, str]
    occurred: datetime
    related: Sequence[Mapping[str, str]] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)
    follows: UUID | None = None
    """The event that came before this one, if it did so within five minutes."""
    flow_run_id: str | None = None
    task_run_id: str | None = None

    @property
    def involved_resources(self) -> Sequence[Mapping[str, str]]:
        """The resource, and after it those that are related."""
        return [self.resource, *self.related]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A value that the run shows to whoever asks, under a key, as it was set last."""

    id: str
    """As those of other records: what is set again takes the place of what was."""
    key: str
    value: Any
    """Of JSON's types."""
    updated: datetime
    flow_run_id: str | None = None
    task_run_id: str | None = None


Kept = KeptArtifact | Event | Published


@runtime_checkable
class RecordReporter(Protocol):
    """A reporter that wants to hear of artifacts, events and published values, too."""

    def record_kept(self, record: Kept) -> None:
        """Take note that the run kept an artifact, a version of one, an event or a value."""


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


def succeed(before: KeptArtifact, after: KeptArtifact) -> KeptArtifact:
    """Return the new version, with what it leaves out as the old one has it."""
    return replace(
        after,
        key=after.key or before.key,
        description=before.description if after.description is None else after.description,
        metadata_=after.metadata_ or before.metadata_,
        created=before.created,
    )
