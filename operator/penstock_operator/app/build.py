"""Puts one operator together. Nothing here is global, so that tests can run several at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from penstock_operator.app import handlers
from penstock_operator.app.health import Health, serve_health
from penstock_operator.app.keys import Key, Kind
from penstock_operator.app.limit_metrics import limits_of
from penstock_operator.app.metrics import Metrics
from penstock_operator.app.options import Options
from penstock_operator.app.pool_metrics import pool_figures
from penstock_operator.app.queue import WorkQueue
from penstock_operator.app.reconcilers import Reconcilers
from penstock_operator.app.resync import FIELDS, WATCHED, Resync
from penstock_operator.app.triggers import Triggers
from penstock_operator.kube.beside import LoopBeside, loop_beside
from penstock_operator.kube.caches import Caches, text_at
from penstock_operator.kube.client import Client, Object
from penstock_operator.kube.connection import Connection
from penstock_operator.kube.errors import ApiError, Conflict, Terminating
from penstock_operator.kube.execute import Executor
from penstock_operator.kube.lease import Lease, LeaseLostError
from penstock_operator.kube.readiness import ReadyTransport
from penstock_operator.kube.resources import JOBS, LEASES, OF_A_RUN, Resource
from penstock_operator.kube.transport import HttpTransport, Request, Transport
from penstock_operator.model.states import SignalState, State
from penstock_operator.reconcile import actions

logger = logging.getLogger(__name__)

_LEASE_TIMEOUT_SECONDS = 5.0
_FINISH_SECONDS = 5.0
"""How long the work in hand may take when the process is told to stop."""
_NAMESPACE_DELETION_SECONDS = 60.0


def build_app(
    options: Options,
    connection: Connection,
    *,
    transport: Transport | None = None,
    lease_transport: Transport | None = None,
) -> App:
    """Wire an operator; tests hand in transports that fail."""
    return App(
        options,
        connection,
        transport=transport or HttpTransport(connection),
        # Renewals have a connection pool and no limiter of their own: no flood delays them.
        lease_transport=lease_transport or HttpTransport(connection),
    )


class App:
    """One operator, from waiting for the Lease to giving it back."""

    def __init__(
        self,
        options: Options,
        connection: Connection,
        *,
        transport: Transport,
        lease_transport: Transport,
    ) -> None:
        self.options = options
        self.metrics = Metrics()
        self.http_port = 0
        self._connection = connection
        self._transport, self._lease_transport = transport, lease_transport
        self.lease = Lease(
            Client(lease_transport, timeout_seconds=_LEASE_TIMEOUT_SECONDS),
            namespace=options.lease_namespace,
            name=options.lease_name,
            identity=options.identity,
            times=options.lease_times,
        )
        self.health = Health(self.lease)
        self.caches = Caches()
        client = Client(
            ReadyTransport(transport),
            before_write=self._may_write,
            after_write=self._count_write,
        )
        self.queue: WorkQueue[Key] = WorkQueue(self._reconcile, on_error=self._note_failure)
        self._triggers = Triggers(self.caches, self.queue, namespaces=options.namespaces)
        self._reconcilers = Reconcilers(
            client=client,
            caches=self.caches,
            triggers=self._triggers,
            queue=self.queue,
            executor=Executor(client, witness=self._triggers, done=self._note_action),
            settings=options.settings,
            namespaces=options.namespaces,
        )
        self._resync = Resync(
            client=client,
            caches=self.caches,
            triggers=self._triggers,
            queue=self.queue,
            namespaces=options.namespaces,
            repaired=self._count_repairs,
            finished=lambda repairs: self.health.resynced(repairs=repairs),
        )
        self.metrics.watch_sizes(
            queue_depth=lambda: len(self.queue),
            unfinished_runs=lambda: len(self.caches.runs),
            suspended_runs=self._count_suspended,
        )
        self.metrics.watch_limits(lambda: limits_of(self.caches))
        self.metrics.watch_pools(lambda: pool_figures(self.caches, self._triggers.admission))

    async def run(
        self, stop: asyncio.Event, *, watch_started: Callable[[], None] = lambda: None
    ) -> None:
        """Wait for the Lease, act until told to stop, and give the Lease back.

        Raises LeaseLostError when the Lease was lost, and whatever ended a watch for good: the
        process has to end then, and Kubernetes starts it again.
        """
        async with (
            contextlib.AsyncExitStack() as stack,
            serve_health(self.health, self.metrics, port=self.options.http_port) as port,
        ):
            beside = stack.enter_context(loop_beside("lease"))
            stack.push_async_callback(lambda: beside.run(self._lease_transport.close()))
            stack.push_async_callback(self._transport.close)
            self.http_port = port
            logger.info("Waiting for the Lease as %s.", self.options.identity)
            try:
                if not await _either(beside.run(self.lease.acquire()), stop):
                    await self._lead(stop, watch_started, beside=beside)
            finally:
                self.metrics.leader.set(0)
                await beside.run(self.lease.release())

    async def _lead(
        self, stop: asyncio.Event, watch_started: Callable[[], None], *, beside: LoopBeside
    ) -> None:
        logger.info("Holding the Lease; listing what there is.")
        self.health.leads(expects_heartbeats=self._sees_own_lease())
        self.metrics.leader.set(1)
        try:
            async with asyncio.TaskGroup() as group:
                holding = group.create_task(beside.run(self.lease.hold()), name="hold the Lease")
                if not await _either(self._resync.fill_caches(), stop):
                    await self._act(group, stop, watch_started)
                holding.cancel()
        except ExceptionGroup as group_of_errors:
            raise _first_of(group_of_errors) from group_of_errors

    async def _act(
        self, group: asyncio.TaskGroup, stop: asyncio.Event, watch_started: Callable[[], None]
    ) -> None:
        """Watch and work until told to stop, then finish what is in hand."""
        self._triggers.fill_admission()
        self._triggers.queue_everything(now=datetime.now(UTC))
        self.health.synced = True
        logger.info("Acting on %d unfinished runs.", len(self.caches.runs))
        stop_watch = asyncio.Event()
        working = group.create_task(self.queue.run(workers=self.options.workers), name="queue")
        background = [
            group.create_task(self._connection.keep_fresh(), name="keep the token fresh"),
            group.create_task(
                self._resync.run(
                    first_after=self.options.first_resync_seconds,
                    every=self.options.resync_seconds,
                ),
                name="resync",
            ),
        ]
        watching = group.create_task(self._watch(stop_watch, watch_started), name="watch")
        await _either(asyncio.shield(watching), stop)
        self.queue.stop()
        await _end(working, within=_FINISH_SECONDS)
        stop_watch.set()
        await _end(watching, within=_FINISH_SECONDS)
        for task in background:
            task.cancel()

    async def _watch(self, stop: asyncio.Event, watch_started: Callable[[], None]) -> None:
        fields = dict(FIELDS)
        watched: tuple[Resource, ...] = WATCHED
        if self._sees_own_lease():
            watched = (*WATCHED, LEASES)
            fields[LEASES] = f"metadata.name={self.options.lease_name}"
        await handlers.watch(
            handlers.watch_registry(
                self._connection, watched, notice=self._notice, knows=self._knows
            ),
            handlers.watch_settings(labels={JOBS: OF_A_RUN}, fields=fields),
            namespaces=self.options.namespaces,
            stop=stop,
            started=watch_started,
        )

    def _sees_own_lease(self) -> bool:
        served = self.options.namespaces
        return not served or self.options.lease_namespace in served

    def _knows(self, resource: Resource, event: str | None, obj: Object) -> bool:
        return resource != LEASES and self._triggers.knows(resource, event, obj)

    def _notice(self, resource: Resource, event: str | None, obj: Object) -> None:
        if resource != LEASES:
            self._triggers.notice(resource, event, obj)
        elif obj["metadata"].get("namespace") == self.options.lease_namespace:
            self.health.heard_of_lease(text_at(obj, "spec", "holderIdentity"))

    async def _reconcile(self, key: Key) -> None:
        with self.metrics.reconcile_seconds.labels(key.kind).time():
            await self._reconcilers.reconcile(key)

    def _note_failure(self, key: Key, error: Exception) -> float:
        self.metrics.reconcile_errors.labels(key.kind).inc()
        extra = {"key": str(key)}
        match error:
            case Terminating():
                # All of it goes with its namespace; until then there is nothing to do or to say.
                logger.debug("Its namespace is being deleted.", extra=extra)
                return _NAMESPACE_DELETION_SECONDS
            case Conflict():
                logger.info("Changed meanwhile; looked at again soon.", extra=extra)
            case ApiError() | LeaseLostError():
                logger.warning("Put back: %s", error, extra=extra)
            case _:
                logger.error("Put back after an error.", exc_info=error, extra=extra)
        return (error.retry_after or 0.0) if isinstance(error, ApiError) else 0.0

    def _may_write(self, _: Request) -> None:
        self.lease.check()

    def _count_write(self, request: Request) -> None:
        self.metrics.api_writes.labels(request.method, request.resource).inc()

    def _count_repairs(self, resource: Resource, count: int) -> None:
        self.metrics.watch_repairs.labels(resource.kind).inc(count)

    def _count_suspended(self) -> int:
        states = (text_at(run, "status", "state") for run in self.caches.runs)
        return sum(state == State.SUSPENDED for state in states)

    def _note_action(self, action: actions.Action) -> None:
        match action:
            case actions.PatchRunStatus(target, status):
                key = str(Key(Kind.RUN, target.namespace, target.name))
                words = f"{status.state}, {status.reason}: {status.message}"
                logger.info("%s", words, extra={"key": key})
                if action.ended:
                    self.metrics.runs.labels(str(status.state)).inc()
                if action.recovered_from:
                    self.metrics.recoveries.labels(action.recovered_from).inc()
                if action.woken_by:
                    self.metrics.wakes.labels(action.woken_by).inc()
                self.metrics.unstored.inc(action.unstored)
            case actions.CreateJob():
                self.metrics.launches.inc()
                if action.run_created_at is not None:
                    delay = datetime.now(UTC) - action.run_created_at
                    self.metrics.launch_delay.observe(max(0.0, delay.total_seconds()))
            case actions.CreateRun() | actions.PatchScheduleStatus():
                self._note_tick(action)
            case actions.DeleteRun(namespace, name):
                key = str(Key(Kind.RUN, namespace, name))
                logger.info("Deleted by its flow's history.", extra={"key": key})
            case actions.PatchSignalStatus(_, signal):
                if signal.state is not None and signal.state != SignalState.PENDING:
                    self.metrics.signals.labels(str(signal.state)).inc()
            case actions.DeleteSignal(namespace, name, is_lost=True):
                self.metrics.signals.labels("Dropped").inc()
                logger.warning("Deleted the Signal %s/%s: its run does not exist.", namespace, name)
            case _:
                pass

    def _note_tick(self, action: actions.CreateRun | actions.PatchScheduleStatus) -> None:
        if isinstance(action, actions.CreateRun):
            if action.due_at is not None:
                lag = datetime.now(UTC) - action.due_at
                self.metrics.schedule_lag.observe(max(0.0, lag.total_seconds()))
            return
        for reason, count in action.skipped.items():
            self.metrics.skipped_ticks.labels(reason).inc(count)


def _first_of(group: ExceptionGroup) -> Exception:
    """Return what went wrong first, out of its wrappings."""
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first


async def _either(work: Awaitable[None], stop: asyncio.Event) -> bool:
    """Await work until it ends or the process is to stop; return whether it is to stop."""
    task = asyncio.ensure_future(work)
    stopping = asyncio.create_task(stop.wait(), name="wait for the stop")
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return stop.is_set()
    finally:
        for each in (task, stopping):
            each.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


async def _end(task: asyncio.Task[None], *, within: float) -> None:
    """Let a task end by itself, but not for longer than that."""
    await asyncio.wait({task}, timeout=within)
    task.cancel()
