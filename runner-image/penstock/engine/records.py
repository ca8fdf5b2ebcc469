"""What a run leaves to be read: artifacts, events, published values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


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


def succeed(before: KeptArtifact, after: KeptArtifact) -> KeptArtifact:
    """Return the new version, with what it leaves out as the old one has it."""
    return replace(
        after,
        key=after.key or before.key,
        description=before.description if after.description is None else after.description,
        metadata_=after.metadata_ or before.metadata_,
        created=before.created,
    )
