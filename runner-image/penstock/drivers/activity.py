"""Which task bodies run, so that a process can be left between them.

What a durable run has finished is stored; to leave it, it is enough to begin nothing new and to
let the bodies that run come to their ends. Nothing is unwound: no exception reaches user code.
"""

from __future__ import annotations

import asyncio
import threading


class Activity:
    """Counts the task bodies of a run; holds those that come too late."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._bodies = 0
        self._leaving = False

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
            await asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """Note that a body has ended, and that what came of it is stored."""
        with self._changed:
            self._bodies -= 1
            if not self._bodies:
                self._changed.notify_all()

    def _count(self) -> bool:
        with self._changed:
            self._bodies += not self._leaving
            return not self._leaving
