"""From a key to deeds: observe, plan, look up what the plan asks for, plan again, execute.

The decisions are in `reconcile`; this module only brings it the facts and carries its plans out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from penstock.concurrency.leases import Sightings, dead, sight
from penstock_operator.app.keys import Key, Kind
from penstock_operator.app.triggers import Queue, Triggers
from penstock_operator.kube import lookups
from penstock_operator.kube.caches import (
    Cache,
    Caches,
    Name,
    made_by,
    name_of,
    reruns_of,
    successors_of,
    text_at,
)
from penstock_operator.kube.client import Client, Object
from penstock_operator.kube.errors import NotFound
from penstock_operator.kube.execute import Executor, JobRefusedError
from penstock_operator.kube.readings import Readings
from penstock_operator.kube.resources import RUNS
from penstock_operator.kube.snapshots import SnapshotCache
from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile import reading
from penstock_operator.reconcile.actions import PatchRunStatus, Plan
from penstock_operator.reconcile.flows import plan_flow
from penstock_operator.reconcile.history import plan_history
from penstock_operator.reconcile.limits import plan_limit
from penstock_operator.reconcile.names import pool_name, snapshot_name
from penstock_operator.reconcile.observed import (
    Look,
    ObservedFlow,
    ObservedLimit,
    ObservedPool,
    ObservedRun,
    Refusal,
)
from penstock_operator.reconcile.pools import plan_pool
from penstock_operator.reconcile.relatives import names_of_relatives
from penstock_operator.reconcile.runs import plan_run
from penstock_operator.reconcile.scheduling.observed import ObservedSchedule
from penstock_operator.reconcile.scheduling.plans import plan_schedule
from penstock_operator.reconcile.settings import Settings
from penstock_operator.reconcile.signals import plan_forwarding, plan_signal_collection
from penstock_operator.reconcile.snapshots import plan_snapshots
from penstock_operator.reconcile.views import LimitView, Malformed, RunView

logger = logging.getLogger(__name__)

_CODE_VERSION = ("status", "codeVersion")
_MAX_ROUNDS = 7
_HISTORY_DELAY_SECONDS = 5.0
"""Runs that end together are collected together."""


@dataclass(frozen=True, slots=True)
class Reconcilers:
    """Reconciles one key at a time; raises to be tried again."""

    client: Client
    caches: Caches
    triggers: Triggers
    queue: Queue
    executor: Executor
    settings: Settings
    namespaces: Collection[str] = ()
    snapshots: SnapshotCache = field(default_factory=SnapshotCache)
    journals: dict[str, int] = field(default_factory=dict)
    """Bytes of the journals by namespace, as they were last measured."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    sightings: dict[Name, Sightings] = field(default_factory=dict)
    """When the processes that hold slots have given a sign of life, by ConcurrencyLimit."""
    readings: Readings = field(default_factory=Readings)
    """What all runs of a Flow, a WorkPool or a ConcurrencyLimit ask for."""

    async def reconcile(self, key: Key) -> None:
        reconcile = {
            Kind.RUN: self._reconcile_run,
            Kind.FLOW: self._reconcile_flow,
            Kind.POOL: self._reconcile_pool,
            Kind.SCHEDULE: self._reconcile_schedule,
            Kind.LIMIT: self._reconcile_limit,
            Kind.HISTORY: self._collect_history,
            Kind.SNAPSHOTS: self._collect_snapshots,
            Kind.JOURNALS: self._measure_journals,
            Kind.SIGNALS: self._collect_signals,
        }[key.kind]
        plan = await reconcile(key)
        if plan is not None and plan.requeue_after is not None:
            seconds = plan.requeue_after.total_seconds()
            self.queue.add_after(key, seconds, behind=not plan.punctual)

    async def _reconcile_run(self, key: Key) -> Plan | None:
        name = Name(key.namespace, key.name)
        try:
            return await self._look_at_run(name)
        finally:
            self._queue_all(self.triggers.admission.looked_at(name))

    async def _look_at_run(self, name: Name) -> Plan | None:
        raw = self.caches.runs.get(name) or await self._find_unwatched_run(name)
        if raw is None:
            return await self._forward_signals(name)
        try:
            return await self._drive_run(raw)
        except JobRefusedError as refused:
            # The attempt's status was written before; the cache knows its new version.
            return await self._drive_run(self.caches.runs.get(name), refusal=refused.refusal)
        except NotFound:
            if self.caches.runs.get(name) is None:
                return None  # The run was deleted meanwhile; what it owned goes with it.
            raise

    async def _drive_run(
        self, raw: Object | None, *, refusal: Refusal | None = None
    ) -> Plan | None:
        run = reading.read_run(raw) if raw is not None else None
        if run is None:
            return None
        if isinstance(run, Malformed):
            logger.error("%s", run.sentence, extra={"key": run.metadata.name})
            return None
        observed = replace(self._observe_run(run), refusal=refusal)
        plan = self._plan_run(observed)
        for _ in range(_MAX_ROUNDS):
            if not plan.need:
                break
            if Look.SLOT in plan.need:
                pool = pool_name(run, flow=observed.flow)
                slot = self.triggers.admission.ask(run, pool=pool)
                observed = replace(observed, slot=slot)
            observed = await lookups.look_for_run(
                self.client,
                observed,
                plan.need,
                witness=self.triggers,
                snapshots=self.snapshots,
            )
            plan = self._plan_run(observed)
        if plan.need:
            raise RuntimeError(f"The plan of a run still asks for {sorted(plan.need)}.")
        await self.executor.carry_out(plan.actions)
        name = Name(run.metadata.namespace, run.metadata.name)
        self._queue_all(self.triggers.admission.decided(name, keeps_slot=plan.keeps_slot))
        if any(isinstance(action, PatchRunStatus) and action.ended for action in plan.actions):
            history = Key(Kind.HISTORY, run.metadata.namespace, run.spec.flow_ref.name)
            self.queue.add_after(history, _HISTORY_DELAY_SECONDS)
        return plan

    def _queue_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.queue.add(key)

    async def _forward_signals(self, name: Name) -> Plan | None:
        """Hand on the signals to a run that is gone and goes on as another."""
        signals = self.caches.signals.members(name)
        head = self._head_of(name) if signals else None
        if head is None:
            return None
        plan = plan_forwarding(tuple(map(reading.read_signal, signals)), head=head)
        await self.executor.carry_out(plan.actions)
        return plan

    def _head_of(self, first: Name) -> RunView | None:
        """Return the unfinished run that goes on from a chain's first one, or from any run."""
        members = self.caches.runs.members(successors_of(first))
        return reading.read_relative(members[-1]) if members else None

    def _plan_run(self, observed: ObservedRun) -> Plan:
        return plan_run(observed, now=self.now(), settings=self.settings)

    async def _find_unwatched_run(self, name: Name) -> Object | None:
        """Get a run that is finished, deleted or unknown, if a Job of it is still at work, or a
        signal to it unsettled."""
        jobs = [reading.read_job(job) for job in self.caches.jobs.members(name)]
        at_rest = all(job.is_finished or job.deletion_requested_at for job in jobs)
        if at_rest and not self.caches.signals.members(name):
            return None
        try:
            found = await self.client.get(RUNS, namespace=name.namespace, name=name.name)
        except NotFound:
            return None
        self.triggers.saw(RUNS, found)
        return found

    def _observe_run(self, run: FlowRun) -> ObservedRun:
        namespace = run.metadata.namespace
        flow = self._flow(Name(namespace, run.spec.flow_ref.name))
        pool = self._pool(Name(namespace, pool_name(run, flow=flow)))
        name = Name(namespace, run.metadata.name)
        relatives = names_of_relatives(run)
        before = run.spec.continued_from
        chains = {*relatives, before.first if before is not None else name.name}
        return ObservedRun(
            run=run,
            flow=flow,
            pool=pool,
            limits=self._limits_of(name, flow=flow),
            is_superseded=self.triggers.admission.is_superseded(name),
            jobs=tuple(map(reading.read_job, self.caches.jobs.members(name))),
            journals_are_full=self.journals.get(namespace, 0) >= self.settings.journals_cap,
            signals=tuple(map(reading.read_signal, self.caches.signals.members(name))),
            relatives={
                each: reading.read_relative(known)
                for each in relatives
                if (known := self.caches.runs.get(Name(namespace, each))) is not None
            },
            heads={
                each: head
                for each in chains
                if (head := self._head_of(Name(namespace, each))) is not None
            },
        )

    async def _reconcile_flow(self, key: Key) -> Plan | None:
        flow = self._flow(Name(key.namespace, key.name))
        if flow is None:
            return None
        pool = self._pool_of(flow) if isinstance(flow, Flow) else None
        observed = ObservedFlow(flow, pool)
        plan = plan_flow(observed, now=self.now(), settings=self.settings)
        if plan.need:
            observed = await lookups.look_for_flow(self.client, observed, plan.need)
            plan = plan_flow(observed, now=self.now(), settings=self.settings)
        await self._carry_out_unless_gone(plan, self.caches.flows, key)
        return plan

    def _pool_of(self, flow: Flow) -> WorkPool | Malformed | None:
        return self._pool(Name(flow.metadata.namespace, flow.spec.work_pool_ref.name))

    async def _reconcile_pool(self, key: Key) -> Plan | None:
        pool = self._pool(Name(key.namespace, key.name))
        if pool is None:
            return None
        use = self.triggers.admission.use_of(Name(key.namespace, key.name))
        observed = ObservedPool(pool, use=use)
        plan = plan_pool(observed, now=self.now(), settings=self.settings)
        if plan.need:
            observed = await lookups.look_for_pool(self.client, observed, plan.need)
            plan = plan_pool(observed, now=self.now(), settings=self.settings)
        await self._carry_out_unless_gone(plan, self.caches.pools, key)
        return plan

    async def _reconcile_schedule(self, key: Key) -> Plan | None:
        name = Name(key.namespace, key.name)
        raw = self.caches.schedules.get(name)
        if raw is None:
            return None
        schedule = reading.read_schedule(raw)
        if isinstance(schedule, Malformed):
            logger.error("%s", schedule.sentence, extra={"key": str(key)})
            return None
        observed = ObservedSchedule(
            schedule=schedule,
            flow=self._flow(Name(key.namespace, schedule.spec.flow_ref.name)),
            runs=tuple(map(reading.read_scheduled_run, self.caches.runs.members(made_by(name)))),
        )
        plan = plan_schedule(observed, now=self.now())
        if plan.need:
            observed = await lookups.look_for_schedule(self.client, observed)
            plan = plan_schedule(observed, now=self.now())
        await self._carry_out_unless_gone(plan, self.caches.schedules, key)
        return plan

    async def _reconcile_limit(self, key: Key) -> Plan | None:
        name = Name(key.namespace, key.name)
        limit = self._limit(name)
        if limit is None:
            self.sightings.pop(name, None)
            return None
        if isinstance(limit, Malformed):
            logger.error("%s", limit.sentence, extra={"key": str(key)})
            return None
        at = self.clock()
        seen = self.sightings[name] = sight(limit.book, self.sightings.get(name, {}), at=at)
        names = {entry.run for entry in (*limit.book.holders, *limit.book.waiting)}
        known = {each: self.caches.runs.get(Name(key.namespace, each)) for each in names}
        observed = ObservedLimit(
            limit,
            runs={each: reading.read_relative(run) for each, run in known.items() if run},
            silent=dead(seen, limit.terms, at=at),
        )
        plan = plan_limit(observed, now=self.now())
        if plan.need:
            observed = await lookups.look_for_limit(self.client, observed)
            plan = plan_limit(observed, now=self.now())
        await self._carry_out_unless_gone(plan, self.caches.limits, key)
        return plan

    def _limits_of(self, run: Name, *, flow: Flow | Malformed | None) -> dict[str, LimitView]:
        """Return the limits that a flow names, and those in whose status the run is."""
        named = flow.spec.concurrency_limits if isinstance(flow, Flow) else ()
        names = {Name(run.namespace, each.name) for each in named}
        names |= {name_of(each) for each in self.caches.limits.members(run)}
        read = {name.name: self._limit(name) for name in names}
        return {name: each for name, each in read.items() if isinstance(each, LimitView)}

    def _flow(self, name: Name) -> Flow | Malformed | None:
        return self.readings.of(reading.read_flow, self.caches.flows, name=name)

    def _pool(self, name: Name) -> WorkPool | Malformed | None:
        return self.readings.of(reading.read_pool, self.caches.pools, name=name)

    def _limit(self, name: Name) -> LimitView | Malformed | None:
        return self.readings.of(reading.read_limit, self.caches.limits, name=name)

    async def _carry_out_unless_gone(self, plan: Plan, cache: Cache, key: Key) -> None:
        try:
            await self.executor.carry_out(plan.actions)
        except NotFound:
            if cache.get(Name(key.namespace, key.name)) is not None:
                raise

    async def _collect_history(self, key: Key) -> Plan | None:
        flow = self._flow(Name(key.namespace, key.name))
        if not isinstance(flow, Flow):
            return None
        finished = await lookups.finished_runs(self.client, namespace=key.namespace, flow=key.name)
        here, runs = key.namespace, self.caches.runs
        parents = {each.parent for each in finished}
        # What a Schedule lists has an end that it has yet to count: gone before that, it would be
        # made again.
        schedules = self.caches.schedules.members(Name(here, key.name))

        def is_begun_from(name: str) -> bool:
            return bool(runs.members(reruns_of(Name(here, name))))

        plan = plan_history(
            finished,
            history=flow.spec.history,
            now=self.now(),
            unfinished=frozenset(each for each in parents if runs.get(Name(here, each))),
            wanted=frozenset(run for each in schedules for run in reading.runs_listed_by(each))
            | {each.name for each in finished if is_begun_from(each.name)},
            series=frozenset(one for each in schedules for one in reading.series_of(each)),
        )
        await self.executor.carry_out(plan.actions)
        if plan.actions:
            namespace = key.namespace if self.namespaces else ""
            self.queue.add_after(Key(Kind.SIGNALS, namespace, ""), _HISTORY_DELAY_SECONDS)
        return plan

    async def _collect_signals(self, key: Key) -> Plan | None:
        signals = await lookups.list_signals(self.client, namespace=key.namespace or None)
        if not signals:
            return None
        # After the signals: the run of each of them that is missing in this list is gone.
        runs = await lookups.list_runs(self.client, namespace=key.namespace or None)
        plan = plan_signal_collection(signals, runs=runs, now=self.now())
        await self.executor.carry_out(plan.actions)
        return plan

    async def _measure_journals(self, key: Key) -> Plan | None:
        size = await lookups.journal_bytes(self.client, namespace=key.namespace)
        if size >= self.settings.journals_cap > self.journals.get(key.namespace, 0):
            logger.warning(
                "The journals of the namespace %s hold %d bytes, which is as much as they may: runs"
                " that are launched store no more results. Shorten the history of its flows, or"
                " give its pools a store.",
                key.namespace,
                size,
            )
        self.journals[key.namespace] = size
        return None

    async def _collect_snapshots(self, key: Key) -> Plan | None:
        found = [
            snapshot
            async for snapshot in lookups.list_snapshots(
                self.client, namespace=key.namespace or None
            )
        ]
        plan = plan_snapshots(tuple(found), wanted=self._wanted_snapshots(), now=self.now())
        await self.executor.carry_out(plan.actions)
        return plan

    def _wanted_snapshots(self) -> frozenset[tuple[str, str]]:
        """Name the snapshots that a Flow's next run or an unfinished run starts from."""
        by_flow = [
            (name_of(flow).namespace, name_of(flow).name, text_at(flow, *_CODE_VERSION))
            for flow in self.caches.flows
        ]
        by_run = [
            (
                name_of(run).namespace,
                text_at(run, "spec", "flowRef", "name"),
                text_at(run, *_CODE_VERSION),
            )
            for run in self.caches.runs
        ]
        return frozenset(
            (namespace, snapshot_name(flow, code_version=version))
            for namespace, flow, version in by_flow + by_run
            if version
        )
