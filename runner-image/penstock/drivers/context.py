"""The identity of a root flow run, who listens to it, and the handle that cancels it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from penstock.engine.runs import Reporter


class RunContext:
    """The identity of one flow run, and the handle by which another thread cancels it."""

    def __init__(self, run_id: str, *, name: str | None = None) -> None:
        self.run_id = run_id
        self.name = name
        """Name of the run; its id, or what ``flow_run_name`` makes of it, when ``None``."""
        self.reporters: tuple[Reporter, ...] = ()
        self.made_links = False
        """Whether the run made futures or states, which arguments might hold."""
        self.cancel_message: str | None = None
        """Set once the run is to be cancelled."""
        self._lock = threading.Lock()
        self._wakers: set[Callable[[], None]] = set()

    def request_cancel(self, *, message: str = "The run was cancelled.") -> None:
        """Raise ``CancelledRun`` once, at the flow's next engine call; start no new task.

        Returns at once. May be called from any thread, at any time, more than once.
        """
        with self._lock:
            if self.cancel_message is not None:
                return
            self.cancel_message = message
            wakers = list(self._wakers)
        for wake in wakers:
            wake()

    def add_waker(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called when the run is cancelled: something waits in an engine call."""
        with self._lock:
            self._wakers.add(wake)

    def discard_waker(self, wake: Callable[[], None]) -> None:
        """Forget a waker: its wait is over."""
        with self._lock:
            self._wakers.discard(wake)
