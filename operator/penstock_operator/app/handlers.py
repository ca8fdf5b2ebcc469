"""The watch streams, by kopf. This is the only module that imports it.

kopf lists and watches, reconnects and starts over; it decides nothing and writes nothing: handlers
of `on.event` only hand each event on. Its timers, daemons, finalizers and indexes stay unused
(they cost writes on every object, or minutes at the start).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from typing import Any

import kopf

from penstock_operator.kube.connection import Connection
from penstock_operator.kube.resources import Resource

logger = logging.getLogger(__name__)

Notice = Callable[[Resource, str | None, dict[str, Any]], None]
"""Takes a kind, the type of an event (None: listed, not changed) and the object."""

Knows = Callable[[Resource, str | None, dict[str, Any]], bool]
"""Tells whether such an event says nothing new."""

_BACKOFFS = (0.1, 0.2, 0.5, 1, 2, 5, 5, 10, 10, 20)
"""A minute in all: an API server that restarts, or RBAC that arrives late, is waited out."""


def _knows_nothing(resource: Resource, event: str | None, obj: dict[str, Any]) -> bool:
    return False


def watch_registry(
    connection: Connection,
    resources: Collection[Resource],
    *,
    notice: Notice,
    knows: Knows = _knows_nothing,
) -> Any:
    """Return what kopf has to watch: one event handler a kind, and how to log in.

    What is known is not handed on. That is asked in kopf's filter of events: whatever passes costs
    kopf twice as much, and half of all events are echoes.
    """
    registry = kopf.OperatorRegistry()

    async def log_in(**_: Any) -> Any:
        session = connection.open_session()
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=session)

    kopf.on.login(registry=registry)(log_in)
    for resource in resources:
        kopf.on.event(
            resource.group,
            resource.version,
            resource.plural,
            registry=registry,
            id=resource.plural,
            when=_filter(resource, knows),
        )(_event_handler(resource, notice))
    return registry


def _filter(resource: Resource, knows: Knows) -> Any:
    def is_news(event: dict[str, Any], **_: Any) -> bool:
        return not knows(resource, event["type"], event["object"])

    return is_news


def _event_handler(resource: Resource, notice: Notice) -> Any:
    async def handle(event: dict[str, Any], **_: Any) -> None:
        notice(resource, event["type"], event["object"])

    return handle


def watch_settings(*, labels: dict[Resource, str], fields: dict[Resource, str]) -> Any:
    """Return settings for ten thousand objects: no copies, no writes, no delays."""
    settings = kopf.OperatorSettings()
    # Each object of a page gets a task of kopf's at once; what is due meanwhile waits for those.
    settings.watching.chunk_size = 25
    settings.watching.reconnect_backoff = 0.1
    for resource, selector in labels.items():
        key = (resource.group, resource.version, resource.plural)
        settings.watching.label_selectors[key] = selector
    for resource, selector in fields.items():
        key = (resource.group, resource.version, resource.plural)
        settings.watching.field_selectors[key] = selector
    settings.queueing.idle_timeout = 0.2
    settings.queueing.worker_limit = None
    settings.queueing.exit_timeout = 0.5
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _BACKOFFS
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.process.ultimate_exiting_timeout = None
    return settings


async def watch(
    registry: Any,
    settings: Any,
    *,
    namespaces: Collection[str],
    stop: asyncio.Event,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Watch until stopped; raises when a stream cannot go on.

    kopf takes over the signal handlers of the process; `started` is the time to set them again.
    """
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=settings,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        stop_flag=stop,
    )
    started()
    # By default kopf ends every task that was born after itself, also those that are not its own.
    await kopf.run_tasks(tasks, ignored=_AllTasks())


class _AllTasks(Collection[Any]):
    """Contains every task: kopf ends its own by itself, and nobody else's."""

    def __contains__(self, task: object) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _NoDiffBase(kopf.DiffBaseStorage):  # type: ignore[misc] # kopf is not analysed
    """Keeps nothing: the default copies every object on every event."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):  # type: ignore[misc] # kopf is not analysed
    """Keeps nothing: event handlers have no progress."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence
