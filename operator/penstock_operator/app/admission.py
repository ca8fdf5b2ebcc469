"""The slots of all pools and flows, kept up from what the caches show; asked by runs that want to
start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from penstock_operator.app.keys import Key, Kind
from penstock_operator.kube.caches import Name, name_of, text_at
from penstock_operator.kube.client import Object
from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.model.states import Reason, State, WaitKind
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile import reading
from penstock_operator.reconcile.lines import FlowLimit, Place
from penstock_operator.reconcile.names import DEFAULT_POOL, DEFAULT_QUEUE
from penstock_operator.reconcile.observed import PoolUse, Slot
from penstock_operator.reconcile.slots import QueueLimits, Seat, Slots
from penstock_operator.reconcile.wire import instant, number

_AT_WORK = (State.PENDING, State.RUNNING, State.CANCELLING)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _FlowUse:
    """What a Flow says of where its runs wait, and how many run."""

    limit: FlowLimit[Name] = field(default_factory=FlowLimit)
    is_known: bool = False
    is_limited: bool = False
    cancels_running: bool = False
    pool: str = DEFAULT_POOL
    queue: str = DEFAULT_QUEUE
    entered: set[Name] = field(default_factory=set)
    """The pools in which runs of it have been."""


class _Whereabouts(NamedTuple):
    pool: Name
    flow: Name


class Admission:
    """Hears of pools, flows and runs, and says which keys that concerns."""

    def __init__(self) -> None:
        self._pools: dict[Name, Slots[Name]] = {}
        self._flows: dict[Name, _FlowUse] = {}
        self._runs: dict[Name, _Whereabouts] = {}
        self._unseen: set[Name] = set()
        """Those in line that no plan has asked for."""

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
            yield from _keys(slots.next())

    def saw_flow(self, flow: Object) -> Iterator[Key]:
        """Take in a flow's limit; name the runs that may start by it, or have to go."""
        read = reading.read_flow(flow)
        if isinstance(read, Flow):
            use, spec = self._flow(name_of(flow)), read.spec
            limit = spec.concurrency
            use.pool, use.queue = spec.work_pool_ref.name, spec.queue or DEFAULT_QUEUE
            use.is_known, use.is_limited = True, limit is not None
            use.cancels_running = limit is not None and limit.strategy == "CancelRunning"
            use.limit.limit_to(limit.limit if limit is not None else None)
            yield from self._startable(use)
            yield from self._superseded(use)

    def lost_flow(self, flow: Object) -> None:
        """Take in that a flow is gone, and its limit with it; its runs may still be there."""
        use = self._flow(name_of(flow))
        use.is_known = use.is_limited = use.cancels_running = False
        use.limit.limit_to(None)

    def saw_run(self, run: Object) -> Iterator[Key]:
        """Take in how a run stands; name its pool, and the runs that may start now."""
        name, flow = name_of(run), _flow_of(run)
        state = text_at(run, "status", "state")
        at_work = state in _AT_WORK
        if not state:
            self._let_unseen_wait(run)
        elif at_work or stands_in_line(run):
            self._unseen.discard(name)
            use = self._flow(flow)
            seat = _seat_of(run, use)._replace(
                is_new=not at_work and not number(run, "status", "attempt")
            )
            pool = text_at(run, "status", "workPool") or use.pool
            slots = self._enter(name, pool=pool, flow=flow)
            if at_work:
                slots.holds(name, seat, obstacle=_obstacle_of(run, state=state))
            else:
                slots.waits(name, seat)
        elif name in self._runs:
            self._slots(self._runs[name].pool).rests(name)
        yield from self._concerned(name)

    def _let_unseen_wait(self, run: Object) -> None:
        """Put a run into line ahead of its first look, which may come behind those of thousands: it
        is called all the same when it is its turn.

        Not where others would have to go for it: its plan has to say first that it can start.
        """
        name = name_of(run)
        if name in self._runs and name not in self._unseen:
            return  # it stands where it stood when it asked
        use = self._flow(_flow_of(run))
        slots, seat = self._slots(Name(name.namespace, use.pool)), _seat_of(run, use)
        may_wait = use.is_known and slots.is_limited and slots.has_queue(seat.queue)
        if may_wait and not use.is_limited:
            self._unseen.add(name)
            self._enter(name, pool=use.pool, flow=_flow_of(run)).waits(name, seat)
        else:
            self._forget_unseen(name)

    def _forget_unseen(self, run: Name) -> bool:
        if run not in self._unseen:
            return False
        self._unseen.discard(run)
        self._slots(self._runs.pop(run).pool).rests(run)
        return True

    def lost_run(self, run: Object) -> Iterator[Key]:
        """Take in that a run has ended, or is gone."""
        name = name_of(run)
        self._unseen.discard(name)
        if name in self._runs:
            slots = self._slots(self._runs[name].pool)
            slots.not_taken(name)
            slots.rests(name)
            yield from self._concerned(name)
            del self._runs[name]

    def ask(self, run: FlowRun, *, pool: str) -> Slot:
        """Give a run a slot if it is its turn."""
        meta = run.metadata
        name, flow = Name(meta.namespace, meta.name), Name(meta.namespace, run.spec.flow_ref.name)
        self._unseen.discard(name)
        use = self._flow(flow)
        place = Place(-run.spec.priority, meta.creation_timestamp or _LONG_AGO, meta.name)
        is_new = run.status.attempt == 0
        seat = Seat(run.spec.queue or use.queue, place, use.limit, is_new=is_new)
        slots = self._enter(name, pool=pool, flow=flow)
        wait = slots.ask(name, seat)
        if wait is None:
            return Slot(is_kept=slots.is_kept(name))
        return Slot(wait.ahead, for_flow=wait.for_flow)

    def has_turn_for(self, run: Object) -> bool:
        """Tell whether a run would get its slot if it asked now."""
        name, use = name_of(run), self._flow(_flow_of(run))
        slots = self._slots(Name(name.namespace, use.pool))
        return slots.has_turn_for(name, _seat_of(run, use))

    def is_superseded(self, run: Name) -> bool:
        """Tell whether newer runs of its flow are to run in its stead."""
        where = self._runs.get(run)
        if where is None or not self._flow(where.flow).cancels_running:
            return False
        return self._slots(where.pool).is_superseded(run)

    def decided(self, run: Name, *, keeps_slot: bool = False) -> Iterator[Key]:
        """Take back the slot of a run whose plan, carried out, neither used nor keeps it."""
        where = self._runs.get(run)
        if where is None:
            return
        slots = self._slots(where.pool)
        if keeps_slot:
            slots.keep(run)
        elif slots.not_taken(run):
            yield from self._startable(self._flow(where.flow))

    def looked_at(self, run: Name) -> Iterator[Key]:
        """Take back the place of a run that stood in line ahead of its first look, and did not ask
        for a slot then: whatever keeps it from that, it keeps nobody else."""
        where = self._runs.get(run)
        if where is not None and self._forget_unseen(run):
            yield from self._startable(self._flow(where.flow))

    def use_of(self, pool: Name) -> PoolUse:
        """Return how many runs are at work and wait."""
        slots = self._slots(pool)
        return PoolUse(slots.by_queue(), slots.waiting_since(), slots.obstacles())

    def _enter(self, run: Name, *, pool: str, flow: Name) -> Slots[Name]:
        """Return the slots of a run's pool; it leaves those of another one."""
        wanted = _Whereabouts(Name(run.namespace, pool), flow)
        known = self._runs.get(run)
        if known is not None and known.pool != wanted.pool:
            self._slots(known.pool).not_taken(run)
            self._slots(known.pool).rests(run)
        self._runs[run] = wanted
        self._flow(flow).entered.add(wanted.pool)
        return self._slots(wanted.pool)

    def _slots(self, pool: Name) -> Slots[Name]:
        return self._pools.setdefault(pool, Slots())

    def _flow(self, flow: Name) -> _FlowUse:
        return self._flows.setdefault(flow, _FlowUse())

    def _concerned(self, run: Name) -> Iterator[Key]:
        where = self._runs.get(run)
        if where is None:
            return
        use = self._flow(where.flow)
        is_limited = self._slots(where.pool).is_limited
        if is_limited:
            yield Key(Kind.POOL, *where.pool)
        if is_limited or use.is_limited:
            yield from self._startable(use)
        yield from self._superseded(use)

    def _startable(self, use: _FlowUse) -> Iterator[Key]:
        """Name those who may start in the pools in which runs of a flow have been."""
        for pool in use.entered:
            yield from _keys(self._slots(pool).next())

    def _superseded(self, use: _FlowUse) -> Iterator[Key]:
        if use.cancels_running:
            yield from _keys(use.limit.surplus())


def _keys(runs: Iterator[Name]) -> Iterator[Key]:
    for run in runs:
        yield Key(Kind.RUN, *run)


def stands_in_line(run: Object) -> bool:
    """Tell whether a run waits for a slot of its pool or flow, and not for one that is shared."""
    status = ("status", "reason"), ("status", "waitingFor", "kind")
    reason, kind = (text_at(run, *path) for path in status)
    return reason == Reason.WAITING_FOR_SLOT and kind != WaitKind.CONCURRENCY_LIMIT


def _obstacle_of(run: Object, *, state: str) -> str:
    """Name the reason for which a run that has been launched does not start."""
    is_held_up = state == State.PENDING and text_at(run, "status", "waitingFor", "kind")
    return text_at(run, "status", "reason") if is_held_up else ""


def _flow_of(run: Object) -> Name:
    return Name(name_of(run).namespace, text_at(run, "spec", "flowRef", "name"))


def _seat_of(run: Object, use: _FlowUse) -> Seat[Name]:
    return Seat(text_at(run, "spec", "queue") or use.queue, _place_of(run), use.limit)


def _place_of(run: Object) -> Place:
    created = instant(run, "metadata", "creationTimestamp") or _LONG_AGO
    return Place(-number(run, "spec", "priority"), created, name_of(run).name)
