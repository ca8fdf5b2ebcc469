"""One operator acts at a time: the holder of a `coordination.k8s.io` Lease.

Neither kopf's peering nor `kubernetes.aio.leaderelection` will do: the first does not fence, the
second never releases and writes local time as UTC. The rules here are client-go's:

- another's Lease has expired when *we* have seen it unchanged for its duration by our own monotonic
  clock; clocks of different machines are never compared;
- ours is good until `renew_deadline` after the *start* of the last renewal that succeeded, which is
  before anybody else may take it;
- every write has the resourceVersion read before as its precondition.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from penstock_operator.kube.client import Client, Object
from penstock_operator.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from penstock_operator.kube.resources import LEASES

logger = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """This process may no longer act; it has to end."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds; `duration` > `renew_deadline` > `retry`, as for client-go."""

    duration: int = 15
    renew_deadline: float = 10.0
    retry: float = 1.0
    renew: float = 2.0


class Lease:
    """This process's claim on a Lease."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        times: LeaseTimes = LeaseTimes(),
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.identity = identity
        self.times = times
        self._client = client
        self._clock = clock
        self._now = now
        self._good_until = float("-inf")
        self._seen: tuple[str, float] = ("", 0.0)
        """Latest foreign record's resourceVersion, and when we first saw it."""
        self.tried_at = float("-inf")
        """When this process last looked at the Lease, with or without success."""
        self.answered = False
        """Whether the API server has ever answered about the Lease."""

    @property
    def held(self) -> bool:
        return self._clock() < self._good_until

    def check(self) -> None:
        """Raise unless this process still holds the Lease; called ahead of every write."""
        if not self.held:
            raise LeaseLostError(
                f"The Lease {self.namespace}/{self.name} was not renewed in time; "
                "another operator may be acting, so this one stops."
            )

    async def try_acquire(self) -> bool:
        """Take the Lease if it is free, released, expired or ours; renew it if it is held."""
        started = self.tried_at = self._clock()
        try:
            taken = await self._take(await self._read(), now=started)
        except (Conflict, AlreadyExists):
            taken = False  # somebody else was quicker
        self.answered = True
        if taken:
            self._good_until = started + self.times.renew_deadline
        return taken

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        while True:
            try:
                if await self.try_acquire():
                    return
            except ApiError as error:
                logger.warning("The Lease %s cannot be read or written: %s", self.name, error)
            await asyncio.sleep(self.times.retry)

    async def hold(self) -> None:
        """Renew for ever; raise LeaseLostError once the Lease is no longer surely ours."""
        while True:
            await asyncio.sleep(self.times.renew)
            await self._renew()

    async def _renew(self) -> None:
        while True:
            try:
                async with asyncio.timeout(max(0.0, self._good_until - self._clock())):
                    renewed = await self.try_acquire()
            except (ApiError, TimeoutError) as error:
                logger.warning("The Lease %s could not be renewed yet: %r", self.name, error)
            else:
                if renewed:
                    return
                self._good_until = float("-inf")
            self.check()
            await asyncio.sleep(min(self.times.retry, self._good_until - self._clock()))

    async def release(self) -> None:
        """Give the Lease back, so that a standby takes over at once; failing to is no harm."""
        if not self.held:
            return
        self._good_until = float("-inf")
        try:
            async with asyncio.timeout(3):
                lease = await self._read()
                if lease is not None and _holder(lease) == self.identity:
                    await self._client.replace(LEASES, self._record(lease, released=True))
        except (ApiError, TimeoutError) as error:
            logger.warning("The Lease %s could not be released: %r", self.name, error)

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(LEASES, namespace=self.namespace, name=self.name)
        except NotFound:
            return None

    async def _take(self, lease: Object | None, *, now: float) -> bool:
        if lease is None:
            body = self._record(None)
            await self._client.create(LEASES, namespace=self.namespace, body=body)
            return True
        if _holder(lease) not in ("", self.identity) and not self._expired(lease, now=now):
            return False
        await self._client.replace(LEASES, self._record(lease))
        return True

    def _expired(self, lease: Object, *, now: float) -> bool:
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = (version, now)
        duration = lease.get("spec", {}).get("leaseDurationSeconds") or self.times.duration
        return now >= self._seen[1] + float(duration)

    def _record(self, lease: Object | None, *, released: bool = False) -> Object:
        spec: dict[str, Any] = dict((lease or {}).get("spec") or {})
        micro_time = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if not released and spec.get("holderIdentity") != self.identity:
            spec["acquireTime"] = micro_time
            spec["leaseTransitions"] = (spec.get("leaseTransitions") or 0) + (lease is not None)
        spec["holderIdentity"] = "" if released else self.identity
        spec["leaseDurationSeconds"] = 1 if released else self.times.duration
        spec["renewTime"] = micro_time
        metadata: dict[str, Any] = {"namespace": self.namespace, "name": self.name}
        if lease is not None:
            metadata = lease["metadata"]
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": spec,
        }


def _holder(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")
