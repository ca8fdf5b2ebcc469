"""The slots of all pools, kept up from what the caches show; asked by runs that want to start."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from penstock_operator.app.keys import Key, Kind
from penstock_operator.kube.caches import Name, name_of, text_at
from penstock_operator.kube.client import Object
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.model.states import Reason, State
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile import reading
from penstock_operator.reconcile.names import DEFAULT_QUEUE, queue_name
from penstock_operator.reconcile.observed import PoolUse, Slot
from penstock_operator.reconcile.slots import Place, QueueLimits, Slots
from penstock_operator.reconcile.wire import instant, number

_AT_WORK = (State.PENDING, State.RUNNING, State.CANCELLING)


class Admission:
    """Hears of pools and runs, and says which keys that concerns."""

    def __init__(self) -> None:
        self._pools: dict[Name, Slots[Name]] = {}
        self._pool_of: dict[Name, Name] = {}

    def saw_pool(self, pool: Object) -> Iterator[Key]:
        """Take in a pool's limits; name the runs that may start by them."""
        read = reading.read_pool(pool)
        if isinstance(read, WorkPool):
            limits = {
                each.name: QueueLimits(each.priority)
                if each.concurrency is None
                else QueueLimits(each.priority, each.concurrency)
                for each in read.spec.queues
            }
            slots = self._slots(name_of(pool))
            slots.limit_to(read.spec.concurrency, queues=limits)
            yield from self._next(slots)

    def saw_run(self, run: Object) -> Iterator[Key]:
        """Take in how a run stands; name its pool, and the runs that may start now."""
        name = name_of(run)
        state, reason = text_at(run, "status", "state"), text_at(run, "status", "reason")
        queue = text_at(run, "spec", "queue") or DEFAULT_QUEUE
        if state in _AT_WORK:
            self._enter(name, text_at(run, "status", "workPool")).holds(name, queue=queue)
        elif reason == Reason.WAITING_FOR_SLOT:
            pool = text_at(run, "status", "waitingFor", "name")
            self._enter(name, pool).waits(name, queue=queue, place=_place_of(run))
        elif name in self._pool_of:
            self._pools[self._pool_of[name]].rests(name)
        yield from self._concerned(name)

    def lost_run(self, run: Object) -> Iterator[Key]:
        """Take in that a run has ended, or is gone."""
        name = name_of(run)
        if name in self._pool_of:
            slots = self._pools[self._pool_of[name]]
            slots.not_taken(name)
            slots.rests(name)
            yield from self._concerned(name)
            del self._pool_of[name]

    def ask(self, run: FlowRun, *, pool: str) -> Slot:
        """Give a run a slot if it is its turn."""
        meta = run.metadata
        name = Name(meta.namespace, meta.name)
        place = _place(run.spec.priority, meta.creation_timestamp, name=meta.name)
        ahead = self._enter(name, pool).ask(name, queue=queue_name(run), place=place)
        return Slot(ahead)

    def decided(self, run: Name) -> Iterator[Key]:
        """Take back the slot of a run whose plan, carried out, did not use it."""
        if run in self._pool_of:
            slots = self._pools[self._pool_of[run]]
            if slots.not_taken(run):
                yield from self._next(slots)

    def use_of(self, pool: Name) -> PoolUse:
        """Return how many runs are at work and wait."""
        slots = self._slots(pool)
        return PoolUse(slots.by_queue(), slots.waiting_since())

    def _enter(self, run: Name, pool: str) -> Slots[Name]:
        """Return the slots of a run's pool; it leaves those of another one."""
        wanted = Name(run.namespace, pool)
        known = self._pool_of.get(run)
        if known not in (None, wanted):
            self._pools[known].not_taken(run)
            self._pools[known].rests(run)
        self._pool_of[run] = wanted
        return self._slots(wanted)

    def _slots(self, pool: Name) -> Slots[Name]:
        return self._pools.setdefault(pool, Slots())

    def _concerned(self, run: Name) -> Iterator[Key]:
        pool = self._pool_of.get(run)
        if pool is not None and (slots := self._pools[pool]).is_limited:
            yield Key(Kind.POOL, *pool)
            yield from self._next(slots)

    def _next(self, slots: Slots[Name]) -> Iterator[Key]:
        for run in slots.next():
            yield Key(Kind.RUN, *run)


def _place_of(run: Object) -> Place:
    created = instant(run, "metadata", "creationTimestamp")
    return _place(number(run, "spec", "priority"), created, name=name_of(run).name)


def _place(priority: int, created: datetime | None, *, name: str) -> Place:
    return Place(-priority, created or reading.LONG_AGO, name)
