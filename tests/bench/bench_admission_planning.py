"""What deciding costs while ten thousand runs queue: the operator's own code, without its I/O.

A slot comes free, a run is submitted, again and again. A decision is one look at one run: from the
event that asks for it, through reading and planning, to the answers of its writes taken in.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench.figures import Figure
from tests.unit.operator.kube.fake_api import FakeApi, answer

from penstock_operator.app.keys import Key
from penstock_operator.app.queue import Backlog
from penstock_operator.app.reconcilers import Reconcilers
from penstock_operator.app.triggers import Triggers
from penstock_operator.kube.caches import Caches
from penstock_operator.kube.client import Client
from penstock_operator.kube.execute import Executor
from penstock_operator.kube.limits import Limiter
from penstock_operator.kube.resources import FLOWS, JOBS, POOLS, RUNS, Resource
from penstock_operator.kube.transport import Request, Response
from penstock_operator.reconcile.settings import Settings

SLOTS, CHURN = 100, 1_000
SECONDS_BETWEEN = 0.05
"""Twenty runs end a second."""

_WAITING = {
    "observedGeneration": 1,
    "state": "Scheduled",
    "reason": "WaitingForSlot",
    "message": "The run waits for a slot.",
    "waitingFor": {"kind": "Slot", "name": "default", "since": "2026-11-21T00:00:00Z"},
}


def main() -> None:
    few = asyncio.run(_measure(queued=1_000))
    many = asyncio.run(_measure(queued=10_000))
    Figure("planning with 10,000 queued runs and churn", many * 1000, "ms a decision", 1).print()
    Figure("the same, against 1,000 queued runs", many / few, "x", 1.5).print()


async def _measure(*, queued: int) -> float:
    """Return the processor seconds of a decision, amortised."""
    pool = BusyPool()
    for _ in range(SLOTS):
        pool.submit()
    await pool.settle()
    for _ in range(queued):
        pool.submit(waiting=True)
    await pool.settle()
    began, before, elsewhere = time.process_time(), pool.decisions, pool.api.seconds
    for _ in range(CHURN):
        pool.end_one()
        pool.submit()
        pool.seconds += SECONDS_BETWEEN
        await pool.settle()
    spent = time.process_time() - began - (pool.api.seconds - elsewhere)
    assert len(pool.running) == SLOTS, "every free slot is taken at once, and no other"
    return spent / (pool.decisions - before)


class TimedApi(FakeApi):
    """Knows how much of the time was its own."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    async def send(self, request: Request) -> Response:
        began = time.process_time()
        response = await super().send(request)
        self.requests.clear()
        if response.status == 404 and request.method == "PATCH":  # applied for the first time
            response = answer(self.put(request.path, dict(request.body or {})))
        self.seconds += time.process_time() - began
        return response


class BusyPool:
    """A pool with three queues, an operator's rings around it, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.api, self.seconds, self.decisions = TimedApi(), 0.0, 0
        self.running: dict[str, None] = {}
        self._names: Iterator[int] = itertools.count()
        self._backlog: Backlog[Key] = Backlog()
        caches = Caches()
        self._triggers = Triggers(caches, self)
        client = Client(self.api, limiter=Limiter(per_second=1e9, burst=10**9))
        self._reconcilers = Reconcilers(
            client=client,
            caches=caches,
            triggers=self._triggers,
            queue=self,
            executor=Executor(client, witness=self._triggers, done=lambda action: None),
            settings=Settings(runner_image="runner:1", runner_cluster_role="penstock-runner"),
            now=self._now,
        )
        queues = [{"name": "urgent", "priority": 10}, {"name": "batch", "priority": -10}]
        spec = {"concurrency": SLOTS, "queues": queues}
        self._see(POOLS, "default", spec=spec, status={"observedGeneration": 1})
        inline = {"inline": {"files": {"flow.py": "def daily(): ..."}}}
        self._see(FLOWS, "daily", spec={"source": inline, "entrypoint": "flow.py:daily"})

    def add(self, key: Key) -> None:
        self._backlog.add(key)

    def add_behind(self, key: Key) -> None:
        self._backlog.add_behind(key)

    def add_after(self, key: Key, seconds: float, *, behind: bool = True) -> None:
        self._backlog.add_at(key, self.seconds + seconds, behind=behind)

    def submit(self, *, waiting: bool = False) -> None:
        """A run appears; it may have been told already that it has to wait."""
        number = next(self._names)
        spec: dict[str, Any] = {"flowRef": {"name": "daily"}}
        if number % 3:
            spec["queue"] = "urgent" if number % 3 == 1 else "batch"
        status = _WAITING if waiting else {}
        self._see(RUNS, f"run-{number}", spec=spec, status=status)

    def end_one(self) -> None:
        """The run that has been at work the longest is told to have completed."""
        name = next(iter(self.running))
        del self.running[name]
        path = RUNS.path(namespace="team", name=name)
        run = self.api.objects[path]
        self._triggers.saw(
            RUNS, self.api.put(path, {**run, "status": {**run["status"], "state": "Completed"}})
        )
        del self.api.objects[path]
        job = self.api.objects.pop(JOBS.path(namespace="team", name=f"{name}-1"))
        meta = {**job["metadata"], "resourceVersion": str(10**9)}
        self._triggers.notice(JOBS, "DELETED", {**job, "metadata": meta})

    async def settle(self) -> None:
        """Decide until nothing is left to decide."""
        while (key := self._backlog.take(now=self.seconds)) is not None:
            await self._reconcilers.reconcile(key)
            self._backlog.done(key)
            self.decisions += 1
            if JOBS.path(namespace="team", name=f"{key.name}-1") in self.api.objects:
                self.running.setdefault(key.name)

    def _see(self, resource: Resource, name: str, **more: Any) -> None:
        meta = {
            "namespace": "team",
            "name": name,
            "generation": 1,
            "creationTimestamp": self._now().isoformat(),
        }
        path = resource.path(namespace="team", name=name)
        self._triggers.saw(resource, self.api.put(path, {"metadata": meta, **more}))

    def _now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=self.seconds)


if __name__ == "__main__":
    main()
