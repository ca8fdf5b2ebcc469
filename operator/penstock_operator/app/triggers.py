"""Which keys an object concerns: the only thing an event decides."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Protocol

from penstock.concurrency.book import Book
from penstock_operator.app.admission import Admission, stands_in_line
from penstock_operator.app.keys import Key, Kind
from penstock_operator.kube.caches import (
    Caches,
    Name,
    children_of,
    name_of,
    run_of_signal,
    schedule_of,
    successors_of,
    text_at,
    waiting_for,
)
from penstock_operator.kube.client import Object
from penstock_operator.kube.resources import (
    FLOWS,
    JOBS,
    LIMITS,
    POOLS,
    RUNS,
    SCHEDULES,
    SIGNALS,
    Resource,
)
from penstock_operator.model.states import ConditionType, State
from penstock_operator.reconcile import reading
from penstock_operator.reconcile.names import RUN_LABEL
from penstock_operator.reconcile.sharing import MOST_TICKETS, runs_in_turn, tickets
from penstock_operator.reconcile.views import Malformed
from penstock_operator.reconcile.wire import children, field, number, text

_USE_SECONDS = 2.0
"""How long news of runs gather before a pool's status tells of them."""

_LOOKS_A_SECOND = 200
"""So many of those that only wait are looked at after a start: ten thousand at once, or as fast as
may be, would keep what is due in that minute waiting."""


class Queue(Protocol):
    def add(self, key: Key) -> None: ...

    def add_behind(self, key: Key) -> None: ...

    def add_after(self, key: Key, seconds: float, *, behind: bool = True) -> None: ...


class Triggers:
    """Takes news of watched objects into the caches, and queues what they concern.

    News come from the watch, from lists and from the answers to own writes. What is known already
    queues nothing; so the echo of an own write costs nothing.
    """

    def __init__(self, caches: Caches, queue: Queue, *, namespaces: Collection[str] = ()) -> None:
        self.admission = Admission()
        self._caches = caches
        self._queue = queue
        self._namespaces = frozenset(namespaces)

    def knows(self, resource: Resource, event: str | None, obj: Object) -> bool:
        """Tell whether an event of the watch says nothing new: it is the echo of an own write, or
        of the first lists."""
        return event != "DELETED" and self._caches.of(resource).has(obj)

    def notice(self, resource: Resource, event: str | None, obj: Object) -> None:
        """Take in an event of the watch."""
        if event == "DELETED":
            self._remove(resource, obj)
        else:
            self.saw(resource, obj)

    def saw(self, resource: Resource, obj: Object) -> None:
        """Take in a version of an object."""
        if self._namespaces and name_of(obj).namespace not in self._namespaces:
            return
        cache = self._caches.of(resource)
        known = cache.get(name_of(obj))
        if cache.put(obj):
            self._spread(resource, obj, to_others=_means_something_to_others(known, obj))

    def lost(self, resource: Resource, *, namespace: str, name: str, uid: str) -> None:
        """Take in that an object is no more."""
        known = self._caches.of(resource).get(Name(namespace, name))
        if known is not None and known["metadata"].get("uid") == uid:
            self._remove(resource, known)

    def _remove(self, resource: Resource, obj: Object) -> None:
        if self._caches.of(resource).remove(obj):
            self._spread(resource, obj, to_others=True)

    def _spread(self, resource: Resource, obj: Object, *, to_others: bool) -> None:
        if resource == RUNS:
            self._admit(resource, obj)
            self._queue_run(obj)
        if resource == POOLS and not to_others:
            self._queue_use_of(Key(Kind.POOL, *name_of(obj)))
        else:
            self._queue_all(self._concerned_by(resource, obj))
        if to_others:
            self._queue_dependents(resource, obj)
            if resource != RUNS:
                self._admit(resource, obj)

    def _queue_run(self, run: Object) -> None:
        """Queue a run: behind all news if there is nothing to do but to tell it that it waits, and
        not at all if it has been told. It is called when it is its turn."""
        key = Key(Kind.RUN, *name_of(run))
        waits = _waits_undisturbed(run) and not self._is_over(run)
        if not waits or self.admission.has_turn_for(run):
            self._queue.add(key)
        elif not stands_in_line(run):
            self._queue.add_behind(key)

    def queue_everything(self, *, now: datetime) -> None:
        """Queue every object there is, in the order of dependence, and behind all news.

        A run that no operator has looked at yet is news, and so is a Schedule's next moment. What
        has nothing to do but to wait is looked at bit by bit.
        """
        for kind, cache in (
            (Kind.POOL, self._caches.pools),
            (Kind.FLOW, self._caches.flows),
            (Kind.LIMIT, self._caches.limits),
        ):
            for name in cache.names():
                self._queue.add_behind(Key(kind, *name))
        at_rest: list[Key] = []
        for schedule in self._caches.schedules:
            key, due = Key(Kind.SCHEDULE, *name_of(schedule)), reading.next_tick_of(schedule)
            if due is not None:
                self._queue.add_after(key, (due - now).total_seconds(), behind=False)
            if due is not None and _waits_for_its_moment(schedule):
                at_rest.append(key)
            else:
                self._queue.add_behind(key)
        for run in self._caches.runs:
            key = Key(Kind.RUN, *name_of(run))
            if not text_at(run, "status", "state"):
                self._queue_run(run)
            elif stands_in_line(run) and _waits_undisturbed(run):
                at_rest.append(key)
            else:
                self._queue.add_behind(key)
        for number_ahead, key in enumerate(at_rest):
            self._queue.add_after(key, number_ahead / _LOOKS_A_SECOND)

    def _admit(self, resource: Resource, obj: Object) -> None:
        """Let runs start that may by what has become of a run or a pool."""
        if resource == POOLS:
            self._queue_all(self.admission.saw_pool(obj))
        elif resource == FLOWS:
            self._admit_flow(obj)
        elif resource == RUNS:
            known = self._caches.runs.get(name_of(obj))
            heard = self.admission.lost_run(obj) if known is None else self.admission.saw_run(known)
            for key in heard:
                if key.kind == Kind.POOL:
                    self._queue_use_of(key)
                else:
                    self._queue.add(key)

    def _queue_use_of(self, pool: Key) -> None:
        """Let a pool tell how it is used, and not again as soon as it has told: while thousands of
        runs come, there is always more to tell."""
        self._queue.add_after(pool, _USE_SECONDS, behind=False)

    def _admit_flow(self, flow: Object) -> None:
        known = self._caches.flows.get(name_of(flow))
        if known is None:
            self.admission.lost_flow(flow)
        else:
            self._queue_all(self.admission.saw_flow(known))
        for run in self._caches.runs.members(name_of(flow)):
            self._admit(RUNS, run)  # its queue may be another now

    def fill_admission(self) -> None:
        """Take in all that the caches hold."""
        for pool in self._caches.pools:
            self._admit(POOLS, pool)
        for flow in self._caches.flows:
            self._admit(FLOWS, flow)
        for run in self._caches.runs:
            self._admit(RUNS, run)

    def _queue_all(self, keys: Iterator[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    def _concerned_by(self, resource: Resource, obj: Object) -> Iterator[Key]:
        namespace, name = name_of(obj)
        if resource == RUNS:
            yield from self._relatives_of(obj)
            yield from self._schedule_of(obj)
            yield from self._limits_of(obj)
        elif resource == JOBS:
            if run := (obj["metadata"].get("labels") or {}).get(RUN_LABEL):
                yield Key(Kind.RUN, namespace, run)
        elif resource == SIGNALS:
            yield Key(Kind.RUN, namespace, run_of_signal(obj))
        elif resource == SCHEDULES:
            yield Key(Kind.SCHEDULE, namespace, name)
        elif resource == LIMITS:
            yield Key(Kind.LIMIT, namespace, name)
            yield from self._served_by(obj)
        elif resource == FLOWS:
            yield Key(Kind.FLOW, namespace, name)
        elif resource == POOLS:
            yield Key(Kind.POOL, namespace, name)

    def _queue_dependents(self, resource: Resource, obj: Object) -> None:
        """Queue what uses a Flow or a WorkPool: its runs may be many, and let news go ahead."""
        if resource == FLOWS:
            flows = [obj]
            for schedule in self._caches.schedules.members(name_of(obj)):
                self._queue.add(Key(Kind.SCHEDULE, *name_of(schedule)))
        elif resource == POOLS:
            flows = self._caches.flows.members(name_of(obj))
            for flow in flows:
                self._queue.add(Key(Kind.FLOW, *name_of(flow)))
        else:
            return
        for flow in flows:
            for run in self._caches.runs.members(name_of(flow)):
                self._queue.add_behind(Key(Kind.RUN, *name_of(run)))

    def _relatives_of(self, run: Object) -> Iterator[Key]:
        """Name the runs that a run's end, or its cancellation, means something to."""
        name = name_of(run)
        is_over = self._caches.runs.get(name) is None
        if is_over and (parent := text_at(run, "spec", "parentRef", "name")):
            yield Key(Kind.RUN, name.namespace, parent)
        spec = run.get("spec")
        if is_over or (isinstance(spec, dict) and spec.get("cancel")):
            for index in (children_of(name), successors_of(name)):
                for relative in self._caches.runs.members(index):
                    yield Key(Kind.RUN, *name_of(relative))

    def _schedule_of(self, run: Object) -> Iterator[Key]:
        """Name the Schedule that made a run, to which its beginning and its end mean something."""
        name, schedule = name_of(run), schedule_of(run)
        is_over = self._caches.runs.get(name) is None
        if schedule and (is_over or not text_at(run, "status", "state")):
            yield Key(Kind.SCHEDULE, name.namespace, schedule)

    def _limits_of(self, run: Object) -> Iterator[Key]:
        """Name the ConcurrencyLimits whose slots a run may hold that is not at work."""
        if text_at(run, "status", "state") != State.RUNNING or self._is_over(run):
            for limit in self._caches.limits.members(name_of(run)):
                yield Key(Kind.LIMIT, *name_of(limit))

    def _served_by(self, limit: Object) -> Iterator[Key]:
        """Name the runs without a pod that have got slots, or that may ask for them now."""
        name = name_of(limit)
        read = reading.read_limit(limit)
        if isinstance(read, Malformed):
            return
        is_new = number(limit, "status", "observedGeneration", default=-1) < 0
        if is_new or self._caches.limits.get(name) is None:
            served = self._waiting_for(name)
        else:
            served = {entry.run for entry in read.book.holders if entry.suspended}
            served |= runs_in_turn(read)
            served |= self._next_to_queue(name, read.book)
        for run in sorted(served):
            if self._rests(Name(name.namespace, run)):
                yield Key(Kind.RUN, name.namespace, run)

    def _waiting_for(self, limit: Name) -> set[str]:
        return {name_of(run).name for run in self._caches.runs.members(waiting_for(limit))}

    def _next_to_queue(self, limit: Name, book: Book) -> set[str]:
        """Return the runs that may take a place in the line of a limit. Several at a time: there
        may be thousands, and each look sorts them."""
        free = MOST_TICKETS - tickets(book)
        if free < MOST_TICKETS // 2:
            return set()
        queued = {entry.run for entry in (*book.holders, *book.waiting)}
        waiting = self._caches.runs.members(waiting_for(limit))
        others = (run for run in waiting if name_of(run).name not in queued)
        return {name_of(run).name for run in heapq.nsmallest(free, others, key=_by_turn)}

    def _rests(self, run: Name) -> bool:
        known = self._caches.runs.get(run)
        states = (State.SCHEDULED, State.SUSPENDED)
        return known is not None and text_at(known, "status", "state") in states

    def _is_over(self, run: Object) -> bool:
        return self._caches.runs.get(name_of(run)) is None


def _by_turn(run: Object) -> tuple[int, str, str]:
    created = text_at(run, "metadata", "creationTimestamp")
    return (-number(run, "spec", "priority"), created, name_of(run).name)


def _waits_undisturbed(run: Object) -> bool:
    """Tell whether a run has not been at work, and nobody has changed it since it was looked at."""
    state = text_at(run, "status", "state")
    generation = number(run, "metadata", "generation", default=1)
    observed = number(run, "status", "observedGeneration", default=1) if state else 1
    return state in ("", State.SCHEDULED) and generation == observed


def _waits_for_its_moment(schedule: Object) -> bool:
    """Tell whether a Schedule has nothing to do before its next moment, unless others change."""
    status = schedule.get("status")
    if not isinstance(status, dict) or any(
        status.get(each) for each in ("active", "starting", "buffered", "backfills")
    ):
        return False
    generation = number(schedule, "metadata", "generation", default=1)
    was_triggered = text_at(schedule, "spec", "triggerAt") == status.get("lastTrigger", "")
    return was_triggered and number(schedule, "status", "observedGeneration") == generation


def _means_something_to_others(known: Object | None, new: Object) -> bool:
    """Tell whether more has changed than what a Flow or a WorkPool says of its own runs: that
    changes with each of them, and would have all looked at each time."""
    return known is None or _what_others_read(known) != _what_others_read(new)


def _what_others_read(obj: Object) -> tuple[object, ...]:
    meta = obj["metadata"]
    stalled = [
        text(each, "status")
        for each in children(obj, "status", "conditions")
        if text(each, "type") == ConditionType.STALLED
    ]
    return (
        *(meta.get(name) for name in ("uid", "generation", "deletionTimestamp")),
        field(obj, "status", "observedGeneration"),
        stalled,
    )
