"""What one run of a flow has going: the tasks it submitted, where they run, which failed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING

from penstock.clock import Clock, current_clock
from penstock.drivers.context import RunContext
from penstock.drivers.timer import Timer
from penstock.drivers.workers import Workers
from penstock.engine.inputs import Link, root_errors
from penstock.engine.results import Persistence
from penstock.engine.runs import FlowRun

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from penstock.drivers.job import Job
    from penstock.drivers.loop_thread import LoopThread
    from penstock.drivers.places import Place, TaskRunner

DEFAULT_MAX_WORKERS = max(8, min(32, (os.cpu_count() or 1) + 4))
"""Bodies of sync tasks that run at once."""
DEFAULT_MAX_COROUTINES = 1000
"""Bodies of async tasks that run at once."""


class Frame:
    """The live part of one flow run; its threads start with the first submitted task."""

    def __init__(
        self,
        run: FlowRun | None,
        *,
        context: RunContext,
        runner: TaskRunner | None,
        persistence: Persistence | None = None,
        strict: bool = False,
    ) -> None:
        self.run = run
        """``None``: tasks that were submitted outside any flow."""
        self.name = run.name if run else context.run_id
        self.context = context
        self.persistence = persistence
        """How the flow's tasks keep their results where they do not say."""
        self.strict = strict
        """Whether what may lead a resumed run astray is an error."""
        self.lock = threading.Lock()
        """Guards the futures of this run."""
        self.stopped = False
        """Whether tasks that did not start yet never will."""
        self._runner = runner
        self._max_workers = runner.max_workers if runner else None
        self._place: Place | None = None
        self._workers: Workers | None = None
        self._loop_thread: LoopThread | None = None
        self._timer: Timer | None = None
        self._alarms: list[Callable[[], None]] = []
        """Forget the delays of retries by a clock that a test moves."""
        self._jobs: set[Job] = set()
        self._failed: list[Link] = []
        self._numbers: dict[str, Iterator[int]] = {}
        self._on_idle: Callable[[], None] | None = None

    def draw_number(self, name: str) -> int:
        """Return how many runs of this name the flow run made before."""
        return next(self._numbers.setdefault(name, count()))

    def count_anew(self) -> None:
        """Give the calls of another attempt the names that they had in the first."""
        self._numbers.clear()

    def take_on(self, job: Job) -> None:
        """Count ``job`` among those that the flow waits for at its end."""
        self._jobs.add(job)

    def dispatch(self, job: Job) -> None:
        """Let ``job`` run as soon as there is a slot, unless it was dropped meanwhile."""
        if job.has_ended():
            return
        job.set_off()
        here = self.place() is None
        in_loop = here and job.call.definition.is_async
        job.call.slots = self._loop().slots if in_loop else self._pool().slots
        job.call.slots.admit(job)

    def refuses(self, job: Job) -> bool:
        """Tell whether ``job`` came too late to be started."""
        cancelled = self.context.cancel_message is not None and not job.is_cleanup
        return self.stopped or cancelled

    def dispatch_later(self, job: Job, *, seconds: float) -> None:
        """Dispatch ``job`` again once ``seconds`` have passed; it holds no thread meanwhile."""
        clock = job.context.get(current_clock)
        self.call_later(lambda: self.dispatch(job), seconds=seconds, clock=clock)

    def call_later(
        self, function: Callable[[], None], *, seconds: float, clock: Clock | None
    ) -> None:
        """Call ``function`` once ``seconds`` have passed, unless the flow has ended."""
        if clock is not None:
            self._alarms.append(clock.call_later(seconds, function))
            return
        with self.lock:
            if self._timer is None:
                self._timer = Timer(name=f"penstock-timer {self.name}")
        self._timer.call_later(seconds, function)

    def job_ended(self, job: Job, *, link: Link) -> None:
        """Forget ``job``; remember its future only if it failed."""
        state = link.final_state()
        if self.run and state and not state.is_completed() and not state.is_cancelled():
            self._failed.append(link)
        self._jobs.discard(job)
        if not self._jobs and self._on_idle is not None:
            self._on_idle()

    def is_idle(self) -> bool:
        """Tell whether every submitted task has ended."""
        return not self._jobs

    def when_idle(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called whenever the last submitted task ends."""
        self._on_idle = wake

    def stop(self) -> None:
        """Drop every task that does not run: it is queued, or waits for an input or a retry."""
        self.stopped = True
        for job in list(self._jobs):
            job.drop()

    def abandon(self) -> None:
        """Wait no longer for bodies that still run: their outcome is dropped."""
        for job in list(self._jobs):
            job.abandon()

    def close(self) -> tuple[BaseException, ...]:
        """Let the run's threads end; return the failures that nobody took.

        What still runs is abandoned.
        """
        self.abandon()
        if self._workers:
            self._workers.close()
        if self._loop_thread:
            self._loop_thread.close()
        if self._place:
            self._place.close()
        if self._timer:
            self._timer.close()
        while self._alarms:
            self._alarms.pop()()
        self._workers = self._loop_thread = self._timer = self._place = None
        self.stopped = False
        failed, self._failed = self._failed, []
        return tuple(root_errors(link for link in failed if link.is_lost()))

    def close_when_idle(self) -> None:
        """Let the threads end as soon as no task needs them."""

        def close() -> None:
            self.close()

        self.when_idle(close)
        if self.is_idle():
            close()

    def runs_loop(self, loop: AbstractEventLoop) -> bool:
        """Tell whether ``loop`` is the one that runs this flow run's submitted tasks."""
        return self._loop_thread is not None and self._loop_thread.loop is loop

    def place(self) -> Place | None:
        """Return where bodies of submitted tasks run; ``None``: in this process."""
        if self._runner is None or self._place is not None:
            return self._place
        with self.lock:
            if self._place is None:
                self._place = self._runner.open()
            return self._place

    def _pool(self) -> Workers:
        with self.lock:
            if self._workers is None:
                limit = self._max_workers or DEFAULT_MAX_WORKERS
                self._workers = Workers(limit, name=f"penstock {self.name}")
            return self._workers

    def _loop(self) -> LoopThread:
        from penstock.drivers.loop_thread import LoopThread

        with self.lock:
            if self._loop_thread is None:
                limit = self._max_workers or DEFAULT_MAX_COROUTINES
                self._loop_thread = LoopThread(limit, name=f"penstock-loop {self.name}")
            return self._loop_thread
