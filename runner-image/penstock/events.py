"""Events: what a run tells of the world it works on. Each is kept in the run's record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from penstock.absent import refuse_absent
from penstock.clock import now
from penstock.drivers.recording import keep
from penstock.engine.records import Event
from penstock.recording import makers, scope_of_maker

__all__ = ["Event", "emit_event"]

_RESOURCE_IDS = ("penstock.resource.id", "prefect.resource.id")
_ROLES = ("penstock.resource.role", "prefect.resource.role")
_TIGHT = timedelta(minutes=5)


def emit_event(
    event: str,
    resource: Mapping[str, str],
    occurred: datetime | None = None,
    related: Sequence[Mapping[str, str]] | None = None,
    payload: Mapping[str, Any] | None = None,
    id: UUID | None = None,  # noqa: A002 - Prefect's name
    follows: Event | None = None,
) -> Event:
    """Keep an event, such as ``order.shipped``, with the labels of the resource it is about.

    One of the labels is ``penstock.resource.id``; each related resource has that one and
    ``penstock.resource.role``. What a payload holds beside JSON's types is kept as its text.
    ``follows`` is an event that came before, at most five minutes earlier.
    """
    scope = scope_of_maker("emit_event()")
    occurred = _with_zone(occurred) if occurred else now()
    emitted = Event(
        id=id or uuid4(),
        event=event,
        resource=_checked(resource, _RESOURCE_IDS, of=event),
        occurred=occurred,
        related=tuple(_checked(each, _RESOURCE_IDS, _ROLES, of=event) for each in related or ()),
        payload=json.loads(json.dumps(dict(payload or {}), default=str)),
        follows=follows.id if follows and abs(occurred - follows.occurred) < _TIGHT else None,
        **makers(scope),
    )
    keep(emitted, says=f"Event {event} of {_named(emitted.resource)}", scope=scope)
    return emitted


def _checked(resource: Mapping[str, str], *required: tuple[str, str], of: str) -> dict[str, str]:
    for ours, prefect_s in required:
        if not (resource.get(ours) or resource.get(prefect_s)):
            raise ValueError(f"Each resource of the event {of} needs a label {ours}: {resource!r}.")
    return dict(resource)


def _named(resource: Mapping[str, str]) -> str:
    return next(resource[label] for label in _RESOURCE_IDS if resource.get(label))


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


refuse_absent(globals())
