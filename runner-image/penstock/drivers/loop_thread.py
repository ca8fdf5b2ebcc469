"""The event loop that runs submitted async tasks, in a thread of its own.

So ``future.result()`` in an async flow blocks the flow's loop without deadlock: the task that it
waits for is not on it.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from penstock.clock import current_clock
from penstock.drivers.clocks import new_stint
from penstock.drivers.slots import Slots

if TYPE_CHECKING:
    from penstock.clock import Stint
    from penstock.drivers.job import Job


CLEANUP_SECONDS = 1.0
"""How long abandoned coroutines may take to clean up; nobody waits for them."""


class LoopThread:
    """An event loop with a bounded number of jobs on it."""

    def __init__(self, limit: int, *, name: str) -> None:
        self.slots = Slots(limit, start=self._start)
        self.loop = asyncio.new_event_loop()
        self._running: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread once what still runs has been cancelled; returns at once."""
        self.loop.call_soon_threadsafe(self.loop.stop)

    def _run(self) -> None:
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self._see_off())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    async def _see_off(self) -> None:
        """Cancel what still runs, and give it a moment to clean up."""
        running = set(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=CLEANUP_SECONDS)

    def _start(self, job: Job) -> None:
        stint = new_stint(job.context)
        try:
            self.loop.call_soon_threadsafe(self._launch, job, stint)
        except RuntimeError:  # the loop is closed, and every job has ended
            if stint is not None:
                stint.disown()

    def _launch(self, job: Job, stint: Stint | None = None) -> None:
        clock = job.context.get(current_clock)
        if clock is not None:
            clock.watch(self.loop, thread=self._thread.ident)
        if stint is not None:  # from here on the loop is seen to work
            stint.disown()
        task = self.loop.create_task(self._serve(job), name=job.call.run.name, context=job.context)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, job: Job) -> None:
        await job.advance_async()
        following = self.slots.pass_on()
        if following is not None:
            self._launch(following)
