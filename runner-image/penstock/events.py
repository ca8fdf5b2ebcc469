"""Events: what a run tells of the world it works on. Each is kept in the run's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from penstock.keeping import keep, scope_of_maker

__all__ = ["Event", "emit_event"]

_RESOURCE_IDS = ("penstock.resource.id", "prefect.resource.id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a resource."""

    id: UUID
    event: str
    resource: Mapping[str, str]
    occurred: datetime
    related: Sequence[Mapping[str, str]]
    payload: Mapping[str, Any]


def emit_event(
    event: str,
    resource: Mapping[str, str],
    occurred: datetime | None = None,
    related: Sequence[Mapping[str, str]] | None = None,
    payload: Mapping[str, Any] | None = None,
    id: UUID | None = None,  # noqa: A002 - Prefect's name
) -> Event:
    """Keep an event, such as ``order.shipped``, with the labels of the resource it is about.

    One of the labels is ``penstock.resource.id``.
    """
    scope = scope_of_maker("emit_event()")
    named = next((resource[name] for name in _RESOURCE_IDS if name in resource), None)
    if not named:
        raise ValueError(f"The resource of the event {event} needs a label {_RESOURCE_IDS[0]}.")
    emitted = Event(
        id=id or uuid4(),
        event=event,
        resource=dict(resource),
        occurred=occurred or datetime.now(UTC),
        related=tuple(related or ()),
        payload=dict(payload or {}),
    )
    keep(
        emitted,
        kind="events",
        fields=asdict(emitted),
        says=f"Event {event} of {named}",
        scope=scope,
    )
    return emitted
