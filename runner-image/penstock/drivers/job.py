"""A submitted call: on its way through its inputs, the queue, its attempts and their pauses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from enum import Enum
from typing import TYPE_CHECKING, cast

from penstock.clock import current_clock
from penstock.drivers import threads
from penstock.drivers.call import LiveCall
from penstock.drivers.instant import announce
from penstock.drivers.progress import Progress
from penstock.drivers.waiting import Early, note_delay
from penstock.engine.core import run_call
from penstock.engine.effects import Pause
from penstock.engine.inputs import Link
from penstock.states import Cancelled, Pending, State

if TYPE_CHECKING:
    from penstock.drivers.frame import Frame
    from penstock.engine.runs import TaskRun


class _Stage(Enum):
    WAITING = "for an input, a slot or a retry"
    RUNNING = "in a thread or loop"
    ENDED = "final"


class Promise(Link):
    """A link that a job fulfils."""

    __slots__ = ()

    def become_final(self, state: State[object]) -> None:
        """Set the final state, once, and tell who waits."""
        raise NotImplementedError


class Job:
    """A task that was submitted. No thread belongs to it while it waits."""

    __slots__ = (
        "_forget_delay",
        "_is_counted",
        "_progress",
        "_stage",
        "_unfinished",
        "call",
        "context",
        "frame",
        "future",
        "is_cleanup",
    )

    def __init__(self, call: LiveCall, *, frame: Frame, future: Promise) -> None:
        self.call = call
        self.frame = frame
        self.future = future
        self.context = copy_context()
        """The submitter's context variables, as they were."""
        self.is_cleanup = call.caller is not None and call.caller.origin.cancel_raised
        """Submitted by a body that already knows that it is cancelled."""
        self._progress: Progress[State[object]] | None = None
        self._stage = _Stage.WAITING
        self._unfinished = 0
        self._is_counted = False
        self._forget_delay: Callable[[], None] | None = None

    def submit(self) -> None:
        """Run as soon as every input is final and there is a slot."""
        announce(Pending(), call=self.call)
        self.frame.take_on(self)
        upstreams = [link for link in self.call.upstreams if link.final_state() is None]
        if not upstreams:
            self.frame.dispatch(self)
            return
        self._unfinished = len(upstreams)
        cast("TaskRun", self.call.run).awaits = upstreams
        for link in upstreams:
            link.when_final(self._upstream_ended)

    def _upstream_ended(self) -> None:
        with self.frame.lock:
            self._unfinished -= 1
            ready = self._unfinished == 0
        if ready:
            self.frame.dispatch(self)

    def has_ended(self) -> bool:
        """Tell whether the future is final."""
        return self._stage is _Stage.ENDED

    def advance(self) -> None:
        """Go on in the calling thread until the call is final or has to pause."""
        progress = self._begin()
        if progress is not None:
            self._follow(self.context.run(threads.resume, progress), progress=progress)

    async def advance_async(self) -> None:
        """Go on in the running loop, in the task that carries the job's context."""
        from penstock.drivers import loops

        progress = self._begin()
        if progress is not None:
            step = await loops.resume(progress)
            self._follow(step, progress=progress)

    def _begin(self) -> Progress[State[object]] | None:
        if self.frame.refuses(self):
            self.drop()
        if not self._move(_Stage.WAITING, to=_Stage.RUNNING):
            return None
        if self._progress is None:
            self._progress = Progress(self.call, run_call(self.call))
            cast("TaskRun", self.call.run).awaits = ()
        return self._progress

    def _follow(self, step: State[object] | Pause, *, progress: Progress[State[object]]) -> None:
        if isinstance(step, Pause):
            if self._move(_Stage.RUNNING, to=_Stage.WAITING):
                self._wait_out(step)
            else:
                progress.close()  # it was abandoned while it ran
        elif self._move(_Stage.RUNNING, to=_Stage.ENDED):
            self._end(step)

    def _wait_out(self, pause: Pause) -> None:
        if self.frame.refuses(self):  # it was stopped while this attempt ran
            self.drop()
        elif pause.early is not None:
            self._wait_in_line(pause, early=pause.early)
        else:
            self._forget_delay = note_delay(self.call, pause)
            self._rest()
            self.frame.dispatch_later(self, seconds=pause.seconds)

    def _wait_in_line(self, pause: Pause, *, early: Early) -> None:
        """Go on when the time has passed or the bell rings, whichever is first."""
        if pause.in_line is not None:
            self._forget_delay = note_delay(self.call, pause)
            self._rest()
        once = threading.Lock()

        def go_on() -> None:
            if once.acquire(blocking=False):
                self.frame.dispatch(self)

        clock = self.context.get(current_clock)
        self.frame.call_later(go_on, seconds=pause.seconds, clock=clock)
        early(go_on)

    def set_off(self) -> None:
        """Note that the job waits for nothing but a slot."""
        if self._forget_delay is not None:
            self._forget_delay()
        activity = self.frame.context.activity
        if activity is not None and not self._is_counted:
            self._is_counted = True
            activity.job_set_off()

    def _rest(self) -> None:
        activity = self.frame.context.activity
        if activity is not None and self._is_counted:
            self._is_counted = False
            activity.job_rests()

    def drop(self) -> None:
        """Never start, or start again, if the job is waiting."""
        if self._move(_Stage.WAITING, to=_Stage.ENDED):
            self.call.give_slots()
            state = Cancelled(message="The flow ended before this task could start.")
            announce(state, call=self.call)
            if self._progress is not None:
                self._progress.close()
            self._end(state)

    def abandon(self) -> None:
        """Wait no longer for a body that runs: drop what will become of it."""
        self.drop()
        if self._move(_Stage.RUNNING, to=_Stage.ENDED):
            if self.call.scope is not None:
                self.call.scope.abandoned = True
            state = Cancelled(message="The flow ended before this task did.")
            announce(state, call=self.call)
            self.call.abandoned = True
            self._end(state)

    def _end(self, state: State[object]) -> None:
        self._progress = None
        self.future.become_final(state)
        self.frame.job_ended(self, link=self.future)
        self._rest()
        if self._forget_delay is not None:
            self._forget_delay()

    def _move(self, stage: _Stage, *, to: _Stage) -> bool:
        with self.frame.lock:
            if self._stage is not stage:
                return False
            self._stage = to
            return True
