"""Schedules in the foreground: ``flow.serve(…)`` starts runs here, until it is told to stop.

Each run has a thread of its own. So whatever is a flow can be served, one of a notebook or a
closure too, starts at once, and is cancelled as a run in a pod is; and one process is all there is
to watch and to stop. What one run does to the process it does to all: a flow that may take it down
belongs in the cluster, where each run has a pod.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from types import FrameType
from typing import Any, TypedDict, Unpack

from penstock.absent import refusing_options
from penstock.clock import Stint, current_clock, now
from penstock.drivers.clocks import new_gate, new_stint
from penstock.drivers.tagging import tags
from penstock.engine.runs import Deployed
from penstock.execution import RunContext, execute
from penstock.flows import Flow
from penstock.logging import show_by_default
from penstock.object_names import LONGEST, nearest_name
from penstock.schedules import Cron, Interval, RRule, Schedule, ScheduleError, next_ticks

__all__ = ["Deployment", "Server", "deployment_of", "serve"]

LIMIT = 5
"""How many runs go on at once unless told otherwise: as many as with Prefect."""

LATE = timedelta(seconds=1)
"""Two runs that became due while nobody looked are one run too many; a little lag is none."""

_LOG = logging.getLogger("penstock.serve")
_LONGEST_WAIT = 30.0
"""Seconds until the system's clock is read again: it may be set, and laptops sleep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A flow, when it is to run, and with what. Made by ``flow.to_deployment``."""

    flow: Flow[..., Any]
    name: str
    schedules: tuple[Schedule, ...]
    parameters: Mapping[str, object] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()


class ScheduleOptions(TypedDict, total=False):
    """When a flow is to run, in one or several ways, and with what parameters."""

    cron: str | Sequence[str] | None
    interval: float | timedelta | None
    rrule: str | Sequence[str] | None
    schedule: Schedule | None
    schedules: Sequence[Schedule]
    parameters: Mapping[str, object] | None


class DeploymentOptions(ScheduleOptions, total=False):
    """The same, and the tags of the runs."""

    tags: Iterable[str] | None


def deployment_of(
    flow: Flow[..., Any], name: str, **options: Unpack[DeploymentOptions]
) -> Deployment:
    """Return the deployment, once its schedules can be read and its parameters fit the flow."""
    refuse_unknown(options, known=DeploymentOptions.__annotations__)
    schedules = schedules_of(options)
    parameters = dict(options.get("parameters") or {})
    if schedules:  # what has none is for the cluster, where each run may bring the rest
        flow.validate_parameters(parameters)
    return Deployment(
        flow=flow,
        name=name,
        schedules=tuple(schedules),
        parameters=parameters,
        tags=frozenset(options.get("tags") or ()),
    )


def refuse_unknown(options: Mapping[str, object], *, known: Mapping[str, object]) -> None:
    """Raise ``TypeError`` for an option that is none of the known ones."""
    if unknown := sorted(options.keys() - known.keys()):
        raise TypeError(f"A deployment has no option {unknown[0]}; it has {', '.join(known)}.")


def schedules_of(options: ScheduleOptions) -> list[Schedule]:
    """Return the schedules that the options name, one way or the other."""
    interval, schedule = options.get("interval"), options.get("schedule")
    given: list[Schedule] = [
        *(Cron(line) for line in _listed(options.get("cron"))),
        *([Interval(interval)] if interval is not None else []),
        *(RRule(rule) for rule in _listed(options.get("rrule"))),
        *([schedule] if schedule is not None else []),
        *options.get("schedules", ()),
    ]
    for each in given:
        if not isinstance(each, Cron | Interval | RRule):
            raise ScheduleError(
                f"{each!r} is no schedule: make one of Cron, Interval or RRule from "
                "penstock.schedules."
            )
    return given


@refusing_options("serve")
def serve(*deployments: Deployment, limit: int = LIMIT) -> None:
    """Start runs when they are due, until Ctrl-C or SIGTERM; no more than ``limit`` at once.

    The first Ctrl-C cancels the runs that go on and waits for them; the second leaves them.
    """
    if not deployments or not all(isinstance(each, Deployment) for each in deployments):
        raise TypeError(
            'serve takes deployments: serve(my_flow.to_deployment("nightly", cron="0 6 * * *")).'
        )
    for each in deployments:
        if not each.schedules:
            raise ScheduleError(
                f"Nothing says when {each.flow.name} is to run: give cron=, interval=, rrule= or "
                f"schedule=; for a single run call the flow."
            )
    if limit < 1:
        raise ValueError(f"limit is the number of runs at once, at least 1, not {limit!r}.")
    show_by_default()
    server = Server(deployments, limit=limit)
    with _stopped_by_signals(server.stop):
        server.run()


class Server:
    """The runs that go on, and the loop that starts them; by the clock that it was made under."""

    def __init__(self, deployments: Sequence[Deployment], *, limit: int) -> None:
        self._deployments = deployments
        self._limit = limit
        self._clock = current_clock.get()
        self._longest_wait = _LONGEST_WAIT if self._clock is None else math.inf
        self._stopped = False
        self._news = new_gate()
        """Opened when there is something to do before the next tick."""
        self._running: dict[str, RunContext] = {}

    def run(self) -> None:
        """Wait for ticks and start runs; at the end, wait for the runs."""
        seen = now()
        for deployment in self._deployments:
            first = next_tick(deployment, seen)
            _LOG.info("Serving %s; %s. Ctrl-C stops.", deployment.name, _when(first))
        while (upcoming := self._next(seen)) is not None:
            pause = (upcoming - now()).total_seconds()
            self._news.wait(min(max(0.0, pause), self._longest_wait))
            self._news.clear()
            if self._stopped:
                break
            moment = now()
            if moment >= upcoming:
                self.start_due(after=seen, until=moment)
                seen = moment
            elif moment < seen:
                seen = moment  # the clock was put back
        else:
            _LOG.info("No run is due any more.")
        while self._running:
            self._news.wait()
            self._news.clear()

    def stop(self) -> None:
        """Start no more runs, and cancel those that go on; may be called by a signal."""
        self._stopped = True
        self._news.set()
        for context in list(self._running.values()):
            context.request_cancel(message="The process that served the flow was stopped.")

    def _next(self, after: datetime) -> datetime | None:
        ticks = (next_tick(each, after) for each in self._deployments)
        return min((tick for tick in ticks if tick is not None), default=None)

    def start_due(self, *, after: datetime, until: datetime) -> None:
        """Start what became due between two moments, and say what was missed."""
        for deployment in self._deployments:
            missed, due = due_ticks(deployment, after=after, until=until)
            if missed:
                _LOG.warning(
                    "Missed %d runs of %s, from %s to %s: nothing was awake then.",
                    len(missed), deployment.name, missed[0], missed[-1],
                )  # fmt: skip
            for tick in due:
                self._start(deployment, tick)

    def _start(self, deployment: Deployment, tick: datetime) -> None:
        if len(self._running) >= self._limit:
            _LOG.warning(
                "Skipped the run of %s at %s: %d runs go on. A higher limit= lets more.",
                deployment.name, tick, len(self._running),
            )  # fmt: skip
            return
        context = RunContext(run_id(deployment, tick))
        context.scheduled_at = tick
        context.deployed = Deployed(
            id=deployment.name,
            name=deployment.name,
            version=deployment.flow.version,
            parameters=deployment.parameters,
        )
        self._running[context.run_id] = context
        threading.Thread(
            target=self._execute,
            args=(deployment, context, new_stint()),
            name=context.run_id,
            daemon=True,  # so that a second Ctrl-C ends the process
        ).start()

    def _execute(self, deployment: Deployment, context: RunContext, stint: Stint | None) -> None:
        current_clock.set(self._clock)
        with stint or nullcontext():
            try:
                with tags(*deployment.tags):
                    parameters: Mapping[str, object] | None = deployment.parameters
                    while parameters is not None:
                        came = execute(deployment.flow, parameters=parameters, context=context)
                        parameters = came.parameters if came.continuation else None
            finally:
                del self._running[context.run_id]
                self._news.set()


def next_tick(deployment: Deployment, after: datetime) -> datetime | None:
    """Return the first moment after ``after`` at which a schedule is due."""
    ticks = [tick for each in deployment.schedules for tick in next_ticks(each, after, 1)]
    return min(ticks, default=None)


def due_ticks(
    deployment: Deployment, *, after: datetime, until: datetime
) -> tuple[list[datetime], list[datetime]]:
    """Return the ticks that were missed, and those to run now: what is not late, or the latest."""
    ticks = list(takewhile(lambda tick: tick <= until, _ticks(deployment, after)))
    fresh = [tick for tick in ticks if until - tick <= LATE] or ticks[-1:]
    return ticks[: len(ticks) - len(fresh)], fresh


def _ticks(deployment: Deployment, after: datetime) -> Iterator[datetime]:
    while (tick := next_tick(deployment, after)) is not None:
        yield tick
        after = tick


def run_id(deployment: Deployment, tick: datetime) -> str:
    """Return the name of a tick's run, of which there is one: the deployment and the moment."""
    stem = nearest_name(deployment.name, longest=LONGEST - len("-20261121090000"))
    return f"{stem or deployment.flow.name}-{tick:%Y%m%d%H%M%S}"


def _listed(value: str | Sequence[str] | None) -> Sequence[str]:
    return [value] if isinstance(value, str) else value or ()


def _when(tick: datetime | None) -> str:
    return f"its next run is at {tick}" if tick else "no run of it is due any more"


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Make the first Ctrl-C or SIGTERM stop, and the second leave; elsewhere than in the main
    thread, which alone hears them, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hear(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        _LOG.info("Stopping: waiting for the runs that go on. Ctrl-C again leaves them.")
        stop()

    previous = {each: signal.signal(each, hear) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
