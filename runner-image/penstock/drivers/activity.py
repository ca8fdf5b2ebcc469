"""What a run is doing, so that its process can be left while the run goes on in a later one.

What a durable run has finished is stored; to leave it, it is enough to begin nothing new. Nothing
is unwound: no exception reaches user code, no ``finally`` block runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio  # below where a loop runs: it takes longer to import than all of Penstock


class Activity:
    """Counts task bodies that run, jobs that are on their way, and flow bodies that wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._bodies = 0
        self._jobs = 0
        self._parked = 0
        self._parked_tasks: set[asyncio.Task[object]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving = False
        self._left = False

    def leave(self, *, grace_seconds: float) -> bool:
        """Let no body begin any more; return once none runs, or False after the grace."""
        with self._changed:
            self._leaving = True
            return self._changed.wait_for(lambda: self._bodies == 0, timeout=grace_seconds)

    def begin(self) -> None:
        """Count a body; never return if the process is being left."""
        if not self._count():
            threading.Event().wait()

    async def begin_async(self) -> None:
        """Count a body of the running loop, as ``begin``."""
        if not self._count():
            import asyncio

            await asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """Note that a body has ended, and that what came of it is stored."""
        with self._changed:
            self._bodies -= 1
            if not self._bodies:
                self._changed.notify_all()

    def job_set_off(self) -> None:
        """Note that a submitted task is about to run: it waits for nothing but a slot."""
        with self._changed:
            self._jobs += 1

    def job_rests(self) -> None:
        """Note that a submitted task has ended, or waits out a delay."""
        with self._changed:
            self._jobs -= 1

    @contextmanager
    def parked(self) -> Iterator[None]:
        """Note that a flow's body waits in the engine, and so does nothing."""
        with self._changed:
            self._parked += 1
        try:
            yield
        finally:
            with self._changed:
                self._parked -= 1
            self._stay_if_left()

    @contextmanager
    def parked_in_loop(self) -> Iterator[None]:
        """Note that an asyncio task of a flow's body waits in the engine."""
        import asyncio

        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None, "coroutines run in tasks"
        self._parked_tasks.add(task)
        try:
            yield
        finally:
            self._parked_tasks.discard(task)
            self._stay_if_left()

    def leave_if_quiet(self) -> bool:
        """Leave if nothing goes on: no task's body, and no flow's but in engine waits.

        What wakes up from now on stays where it is: else it could take the very signal that the
        run is said to wait for, and nothing would wake the run again.
        """
        if self._loop is not None:
            return self._leave_loop_if_quiet(self._loop)
        with self._changed:
            self._left = self._parked > 0 and not (self._bodies or self._jobs)
            self._leaving = self._leaving or self._left
            return self._left

    def _leave_loop_if_quiet(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Ask the loop between two of its steps; one that is too busy to answer is not quiet."""
        answered = threading.Event()
        too_late = False

        def answer() -> None:
            with self._changed:
                if not too_late and self._loop_is_quiet():
                    self._left = self._leaving = True
            answered.set()

        try:
            loop.call_soon_threadsafe(answer)
        except RuntimeError:  # the loop has ended
            return False
        answered.wait(1.0)
        with self._changed:
            too_late = True
            return self._left

    def _loop_is_quiet(self) -> bool:
        import asyncio

        return not (self._bodies or self._jobs) and all(
            task in self._parked_tasks or _waits_for_tasks(task)
            for task in asyncio.all_tasks(self._loop)
        )

    def go_on(self) -> None:
        """Let everything go on: the process is not left after all."""
        with self._changed:
            self._left = self._leaving = False
            self._changed.notify_all()

    def _stay_if_left(self) -> None:
        """Return only if the process is not left; a loop stops with it, for nobody needs it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._left)

    def _count(self) -> bool:
        with self._changed:
            self._bodies += not self._leaving
            return not self._leaving


def _waits_for_tasks(task: asyncio.Task[object]) -> bool:
    """Tell whether a task awaits nothing but other tasks, each of which is looked at itself."""
    import asyncio

    awaited = getattr(task, "_fut_waiter", None)  # what asyncio.wait_for and debuggers use, too
    children = getattr(awaited, "_children", [awaited])
    return bool(children) and all(isinstance(each, asyncio.Task) for each in children)
