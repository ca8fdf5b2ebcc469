"""Engine waits: block a thread, or suspend a coroutine, until something is ready.

A wait ends early when the run is cancelled, and gives the body's slot back while it lasts.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

from penstock.clock import now
from penstock.drivers.clocks import Deadline, Delay, new_gate
from penstock.drivers.scope import Scope
from penstock.engine.inputs import Link
from penstock.engine.runs import TaskRun
from penstock.errors import DeadlockError

if TYPE_CHECKING:
    from penstock.drivers.call import LiveCall
    from penstock.engine.effects import Pause

Wake = Callable[[], None]
Early = Callable[[Wake], None]


def block_until(
    ready: Callable[[], bool],
    *,
    subscribe: Callable[[Wake], None],
    scope: Scope | None,
    timeout: float | None = None,
) -> bool:
    """Block until ``ready()``; return False if ``timeout`` seconds pass first.

    ``subscribe`` is given a function to call whenever ``ready`` may have changed; ``scope`` is
    the body that waits. Raises ``CancelledRun`` if its run is cancelled meanwhile.
    """
    if scope:
        scope.check_cancelled()
    if ready():
        return True
    slots = scope.origin.slots if scope else None
    if slots is None:
        with parked(scope):
            return _block(ready, subscribe=subscribe, timeout=timeout, scope=scope)
    slots.give_back()
    try:
        return _block(ready, subscribe=subscribe, timeout=timeout, scope=scope)
    finally:
        slots.take_back()


def parked(scope: Scope | None) -> AbstractContextManager[None]:
    """Note, while it lasts, that a flow's body does nothing but wait."""
    activity = scope.parking() if scope else None
    return nullcontext() if activity is None else activity.parked()


def _block(
    ready: Callable[[], bool],
    *,
    subscribe: Callable[[Wake], None],
    timeout: float | None,
    scope: Scope | None,
) -> bool:
    wake = new_gate()
    context = scope.context if scope else None
    if context:
        context.add_waker(wake.set)
    try:
        subscribe(wake.set)
        deadline = None if timeout is None else Deadline(timeout)
        while True:
            if scope:
                scope.check_cancelled()
            if ready():
                return True
            left = None if deadline is None else deadline.left()
            if left is not None and left <= 0:
                return False
            wake.wait(left)
            wake.clear()
    finally:
        if context:
            context.discard_waker(wake.set)


def block_until_final(
    links: Sequence[Link], *, scope: Scope | None, timeout: float | None = None
) -> bool:
    """Block until every link is final; return False if ``timeout`` seconds pass first."""
    unfinished = [link for link in links if link.final_state() is None]
    if not unfinished:
        return True
    refuse_deadlock(scope)
    with awaiting(unfinished, scope=scope, timeout=timeout):
        return block_until(
            lambda: all_final(unfinished),
            subscribe=lambda wake: subscribe_to(unfinished, wake),
            scope=scope,
            timeout=timeout,
        )


@contextmanager
def awaiting(
    links: list[Link], *, scope: Scope | None, timeout: float | None = None
) -> Iterator[None]:
    """Note what the body waits for; raise ``DeadlockError`` if that waits for the body."""
    run = scope.origin.run if scope else None
    if timeout is not None or not isinstance(run, TaskRun):
        yield
        return
    run.awaits = list(links)
    try:
        circle = _way_back(run)
        if circle:
            around = ", which waits for ".join(circle)
            raise DeadlockError(
                f"{run.name} would wait for {around}, and none of them could ever go on: "
                "let one end without the other's result."
            )
        yield
    finally:
        run.awaits = ()


def _way_back(run: TaskRun) -> list[str]:
    """Return the names of the runs by which ``run`` would wait for itself."""
    seen: set[int] = set()
    unseen = [(link.task_run(), [link.run_name()]) for link in run.awaits]
    while unseen:
        other, names = unseen.pop()
        if other is run:
            return names
        if id(other) not in seen:
            seen.add(id(other))
            waited = [link for link in other.awaits if link.final_state() is None]
            unseen += [(link.task_run(), [*names, link.run_name()]) for link in waited]
    return []


def all_final(unfinished: list[Link]) -> bool:
    """Drop final links from the end of the list; tell whether none is left."""
    while unfinished and unfinished[-1].final_state() is not None:
        unfinished.pop()
    return not unfinished


def subscribe_to(links: Sequence[Link], wake: Wake) -> None:
    """Have ``wake`` called as each link becomes final."""
    for link in list(links):
        link.when_final(wake)


def pause(seconds: float, *, scope: Scope | None, early: Early | None = None) -> None:
    """Let ``seconds`` pass in the calling thread, or less if it is woken early."""
    bell = Bell(seconds, early=early)
    try:
        block_until(bell.has_rung, subscribe=bell.subscribe, scope=scope, timeout=bell.timeout)
    finally:
        bell.stop()


class Bell:
    """What ends a pause: its time, by whichever clock is in force, or something before it."""

    __slots__ = ("_delay", "_early", "_rung")

    def __init__(self, seconds: float, *, early: Early | None) -> None:
        self._delay = Delay(seconds)
        self._early = early
        self._rung = False

    @property
    def timeout(self) -> float | None:
        """Seconds after which the wait may end by itself."""
        return self._delay.timeout

    def has_rung(self) -> bool:
        """Tell whether the pause is over."""
        return self._rung or self._delay.is_over()

    def subscribe(self, wake: Wake) -> None:
        """Have ``wake`` called once it rings."""

        def ring() -> None:
            self._rung = True
            wake()

        self._delay.begin(wake)
        if self._early is not None:
            self._early(ring)

    def stop(self) -> None:
        """Ring no more: nobody waits."""
        self._delay.forget()


def note_delay(call: LiveCall, step: Pause) -> Callable[[], None]:
    """Note that a call waits for its next attempt, or for a slot; return what forgets it."""
    suspension = call.context.suspension if call.context else None
    if suspension is None:
        return _forget_nothing
    from penstock.drivers.suspension import Wait

    if step.in_line is not None:
        kept = step.in_line
        return suspension.add(
            Wait(kind="ConcurrencyLimit", name=kept.limit, since=kept.since, until=None)
        )
    if step.early is not None:  # it waits for a slot, in this process
        return _forget_nothing
    began = now()
    until = began + timedelta(seconds=step.seconds)
    return suspension.add(Wait(kind="RetryDelay", name=call.run.name, since=began, until=until))


def _forget_nothing() -> None:
    """Nothing was noted."""


def refuse_deadlock(scope: Scope | None) -> None:
    """Warn of blocking an event loop, and refuse to block the one that runs submitted tasks."""
    asyncio = sys.modules.get("asyncio")
    running = asyncio._get_running_loop() if asyncio else None  # noqa: SLF001 - public in CPython for this
    if running is None:
        return
    if scope and scope.frame and scope.frame.runs_loop(running):
        raise RuntimeError("This async task would wait for itself: await the future instead.")
    message = "A blocking wait holds up the event loop; await the future instead."
    warnings.warn(message, RuntimeWarning, stacklevel=4)
