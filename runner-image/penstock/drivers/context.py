"""The identity of a root flow run, who listens to it, and the handle that cancels it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from penstock.engine.keeping import Records
from penstock.engine.runs import Deployed, Reporter

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from penstock.drivers.activity import Activity
    from penstock.drivers.children import Children
    from penstock.drivers.inbox import Inbox
    from penstock.drivers.suspension import Problem, Suspension
    from penstock.drivers.undoing import LastLaunch, Owed
    from penstock.journal.protocol import Journal
    from penstock.journal.run_journal import RunJournal

MAX_ABANDONED = 100
"""Bodies that ran out of time and still run: each is a thread that cannot be killed."""


class RunContext:
    """The identity of one flow run, and the handle by which another thread cancels it."""

    def __init__(
        self, run_id: str, *, name: str | None = None, cancel_grace_seconds: float = 10.0
    ) -> None:
        self.run_id = run_id
        self.name = name
        """Name of the run; its id, or what ``flow_run_name`` makes of it, when ``None``."""
        self.cancel_grace_seconds = cancel_grace_seconds
        """How long running tasks may take to end once the flow has met its cancellation."""
        self.first_run_id = run_id
        """The run that this one is a rerun of, or goes on with; the run itself, if it is new."""
        self.deployed: Deployed | None = None
        """The Flow in the cluster, or the deployment, that this is a run of."""
        self.scheduled_at: datetime | None = None
        """When the run was due, if a schedule started it."""
        self.round_trip: Journal | None = None
        """In the place of a journal, if results are to be what a store would give back."""
        self.journal: RunJournal | None = None
        """Where the run's progress is stored, if it is to survive its process."""
        self.activity: Activity | None = None
        """Set where the process may be left while the run goes on in another one."""
        self.suspension: Suspension | None = None
        """Set where the process is left when the run only waits."""
        self.on_problem: Callable[[Problem], NoReturn] | None = None
        """Leaves the process until a person has mended something, where that is possible."""
        self.outlives_pod: Callable[[str], bool] | None = None
        """Tells whether a later pod of the run has a path too; set in the cluster."""
        self.is_replay = False
        """Whether only the flow's code is tried against a journal: no task's body or hook runs."""
        self.accepts_changes = False
        """Whether a person has said that the run goes on although its flow calls other tasks."""
        self.owed: Owed | None = None
        """What is to be rolled back if the run ends without its process, where that is asked."""
        self.last_launch: LastLaunch | None = None
        """Set where this launch of the run is there for its roll-backs only."""
        self.inbox: Inbox | None = None
        """Where signals for the run arrive."""
        self.open_children: Callable[[], Children] | None = None
        """Gives ``children`` where the run can start others, which are objects of their own."""
        self._children: Children | None = None
        self.reporters: tuple[Reporter, ...] = ()
        self.records = Records()
        """Artifacts and events that the run made."""
        self.home: Path | None = None
        """Where the records of the run are kept, if not in ``$PENSTOCK_HOME``."""
        self.made_links = False
        """Whether the run made futures or states, which arguments might hold."""
        self.abandoned: list[threading.Thread] = []
        """Threads whose bodies ran out of time, as far as is known still running."""
        self.cancel_message: str | None = None
        """Set once the run is to be cancelled."""
        self._lock = threading.Lock()
        self._wakers: set[Callable[[], None]] = set()

    @property
    def children(self) -> Children | None:
        """The runs that this one has started; ``None`` where it can start none."""
        with self._lock:
            if self._children is None and self.open_children is not None:
                self._children = self.open_children()
            return self._children

    @children.setter
    def children(self, children: Children) -> None:
        self._children = children

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

    def need_person(self, problem: Problem) -> None:
        """Leave the process until a person has mended a problem.

        Returns only where nobody could let the run go on later: then it is an error.
        """
        if self.on_problem is not None:
            self.on_problem(problem)

    def abandon(self, thread: threading.Thread) -> None:
        """Note that nobody waits for ``thread`` any more."""
        with self._lock:
            self.abandoned = [*(each for each in self.abandoned if each.is_alive()), thread]

    def may_abandon(self) -> bool:
        """Tell whether the process can bear another body that does not end."""
        return len(self.abandoned) < MAX_ABANDONED or (
            sum(thread.is_alive() for thread in self.abandoned) < MAX_ABANDONED
        )

    def add_waker(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called when the run is cancelled: something waits in an engine call."""
        with self._lock:
            self._wakers.add(wake)

    def discard_waker(self, wake: Callable[[], None]) -> None:
        """Forget a waker: its wait is over."""
        with self._lock:
            self._wakers.discard(wake)
