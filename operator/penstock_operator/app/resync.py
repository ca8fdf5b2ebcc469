"""Complete lists: once before anything is decided, then now and then to repair what events lost.

A Job that was merely not listed yet looks like a lost one. So no run is planned for before Flows,
WorkPools, runs and Jobs have all been listed. Later lists are compared with the caches: kopf does
not tell what vanished while a watch was broken, and a watch can die without a word.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from dataclasses import dataclass

from penstock_operator.app.keys import Key, Kind
from penstock_operator.app.triggers import Queue, Triggers
from penstock_operator.kube.caches import Caches, Name, name_of, version_of
from penstock_operator.kube.client import Client, Object
from penstock_operator.kube.errors import ApiError, NotFound
from penstock_operator.kube.resources import (
    FLOWS,
    JOBS,
    LIMITS,
    OF_A_RUN,
    POOLS,
    RUNS,
    SCHEDULES,
    SIGNALS,
    UNFINISHED,
    UNSETTLED,
    Resource,
)

logger = logging.getLogger(__name__)

WATCHED = (POOLS, FLOWS, SCHEDULES, LIMITS, SIGNALS, RUNS, JOBS)

FIELDS = {RUNS: UNFINISHED, SIGNALS: UNSETTLED}
"""Which objects of a kind are watched."""


@dataclass(frozen=True, slots=True)
class Resync:
    """Lists everything that is watched."""

    client: Client
    caches: Caches
    triggers: Triggers
    queue: Queue
    namespaces: Collection[str] = ()
    repaired: Callable[[Resource, int], None] = lambda resource, count: None
    finished: Callable[[int], None] = lambda repairs: None
    settle_seconds: float = 5.0
    """How long an event may take before what it would have told counts as lost."""
    spread_seconds: float = 30.0
    """Over how long the keys of a resync are spread, so that new runs do not wait behind them."""

    async def fill_caches(self) -> None:
        """List everything once; goes on trying until it succeeds."""
        delay = 0.5
        while True:
            try:
                await self._fill_caches()
            except NotFound:
                logger.error("The kinds of penstock.dev are not installed; apply crds/ first.")
            except ApiError as error:
                logger.warning("The first lists failed and are tried again: %s", error)
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, 10.0)

    async def _fill_caches(self) -> None:
        for resource in WATCHED:
            async for page in self._pages(resource):
                for obj in page:
                    self.caches.of(resource).put(obj)

    async def run(self, *, first_after: float = 15.0, every: float = 300.0) -> None:
        """Resync for ever. The start has queued every object itself; a second look at ten thousand
        of them would only keep what is due then waiting."""
        await asyncio.sleep(first_after)
        queue = self.queue_rest
        while True:
            try:
                self.finished(await self.compare())
            except ApiError as error:
                logger.warning("A resync failed and is tried again later: %s", error)
            queue()
            queue = self.queue_all
            await asyncio.sleep(every)

    async def compare(self) -> int:
        """Repair what the caches have wrong; return how many objects that were."""
        count = 0
        for resource in WATCHED:
            repaired = await self._compare(resource)
            if repaired:
                logger.warning("The watch of %s had missed %d changes.", resource.plural, repaired)
                self.repaired(resource, repaired)
            count += repaired
        return count

    def queue_all(self) -> None:
        """Queue every object and every chore, spread over time."""
        keys = [Key(Kind.POOL, *name) for name in self.caches.pools.names()]
        keys += [Key(Kind.FLOW, *name) for name in self.caches.flows.names()]
        keys += [Key(Kind.SCHEDULE, *name) for name in self.caches.schedules.names()]
        keys += [Key(Kind.LIMIT, *name) for name in self.caches.limits.names()]
        keys += [Key(Kind.RUN, *name) for name in self.caches.runs.names()]
        self._spread(keys)
        self.queue_rest()

    def queue_rest(self) -> None:
        """Queue the chores, and the runs that no watch shows but by what they have left."""
        keys = [Key(Kind.RUN, *name) for name in self.caches.jobs.owners()]
        keys += [Key(Kind.RUN, *name) for name in self.caches.signals.owners()]
        keys += [Key(Kind.HISTORY, *name) for name in self.caches.flows.names()]
        namespaces = {name.namespace for name in self.caches.pools.names()}
        keys += [Key(Kind.JOURNALS, namespace, "") for namespace in namespaces]
        for namespace in self.namespaces or ("",):
            keys += [Key(Kind.SNAPSHOTS, namespace, ""), Key(Kind.SIGNALS, namespace, "")]
        self._spread(keys)

    def _spread(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.queue.add_after(key, random.uniform(0, self.spread_seconds))  # noqa: S311

    async def _compare(self, resource: Resource) -> int:
        suspects = await self._differences(resource)
        if not suspects:
            return 0
        await asyncio.sleep(self.settle_seconds)
        return sum([await self._repair(resource, name, version) for name, version in suspects])

    async def _differences(self, resource: Resource) -> list[tuple[Name, int]]:
        """Return what is newer in a list than in the cache, and what is missing in the list.

        The version is what the cache should have reached.
        """
        cache = self.caches.of(resource)
        listed: dict[Name, int] = {}
        async for page in self._pages(resource, metadata_only=True):
            listed |= {name_of(obj): version_of(obj) for obj in page}
        suspects = [
            (name, version)
            for name, version in listed.items()
            if (known := cache.get(name)) is None or version_of(known) < version
        ]
        return suspects + [(name, -1) for name in cache.names() if name not in listed]

    async def _repair(self, resource: Resource, name: Name, version: int) -> int:
        """Look at one suspect by itself, unless an event has told of it meanwhile."""
        known = self.caches.of(resource).get(name)
        if version < 0 and known is None:
            return 0
        if version >= 0 and known is not None and version_of(known) >= version:
            return 0
        try:
            found = await self.client.get(resource, namespace=name.namespace, name=name.name)
        except NotFound:
            if known is None:
                return 0
            uid = str(known["metadata"].get("uid", ""))
            self.triggers.lost(resource, namespace=name.namespace, name=name.name, uid=uid)
            return 1
        before = version_of(known) if known is not None else -1
        self.triggers.saw(resource, found)
        after = self.caches.of(resource).get(name)
        return int((version_of(after) if after is not None else -1) != before)

    async def _pages(
        self, resource: Resource, *, metadata_only: bool = False
    ) -> AsyncIterator[list[Object]]:
        for namespace in self.namespaces or (None,):
            async for page in self.client.pages(
                resource,
                namespace=namespace,
                labels=OF_A_RUN if resource == JOBS else "",
                fields=FIELDS.get(resource, ""),
                metadata_only=metadata_only,
            ):
                yield page
