"""One run in this process: what is known of it while it goes on, and how the process is left."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from penstock.cli.errors import CommandError
from penstock.cli.local_journals import local_chain
from penstock.cli.local_runs import LocalRuns, RunRow
from penstock.cli.local_signals import local_inbox
from penstock.cli.orders import Order
from penstock.cli.output import console, say
from penstock.cli.rewinding import rewind_to
from penstock.errors import CorruptJournal, StoreUnusable
from penstock.home import home
from penstock.runner.exits import CRASHED, SUSPENDED, leave
from penstock.runner.report import rfc3339

if TYPE_CHECKING:
    from penstock.drivers.activity import Activity
    from penstock.drivers.suspension import Problem, Suspended
    from penstock.engine.outcome import Outcome
    from penstock.flows import Flow
    from penstock.journal.run_journal import RunJournal
    from penstock.runner.board import NoticeBoard

EXIT_LINGER_SECONDS = 60.0
"""Waits that are shorter are waited for, whatever was said."""
GRACE_SECONDS = 10.0
"""How long tasks that run may take to end once the run is to be suspended."""


class LocalRun:
    """One run in this process: what is known of it while it goes on, and afterwards."""

    def __init__(self, flow: Flow[..., Any], *, row: RunRow, runs: LocalRuns) -> None:
        self._flow = flow
        self._id = row.id
        self._row = row
        self._runs = runs
        self._board = _notice_board()
        self._started_at = rfc3339(datetime.now(UTC))
        self._outcome: Outcome | None = None
        self._is_suspended = False
        self._journal: RunJournal | None = None
        self._frame: AbstractContextManager[object] | None = None

    def execute(self, order: Order) -> Outcome:
        """Run the flow in the calling thread, which must be the main one."""
        from penstock.drivers.activity import Activity
        from penstock.drivers.suspension import Suspension
        from penstock.execution import Overrides, RunContext, execute
        from penstock.logging import configure

        context = RunContext(self._id)
        context.first_run_id = self._row.journal
        context.home = home()
        context.activity = activity = Activity()
        context.on_problem = partial(self._leave_for_person, activity)
        context.accepts_changes = order.accept
        if order.exit_on_wait:
            context.suspension = Suspension(
                activity, leave=self._leave_waiting, linger_seconds=EXIT_LINGER_SECONDS
            )
        context.journal = journal = self._journal = self._open_journal(order)
        context.inbox = local_inbox(self._runs, journal_id=self._row.journal, journal=journal)
        with self._shown(), self._suspended_by_signals(activity):
            configure(stream=sys.stderr)
            self._outcome = execute(
                self._flow,
                parameters=order.parameters or self._runs.continued_with(self._id),
                context=context,
                reporter=self._board,
                overrides=Overrides(timeout_seconds=order.timeout_seconds),
            )
            self._note(state_word(self._outcome), self._outcome.message)
        return self._outcome

    def _open_journal(self, order: Order) -> RunJournal:
        from penstock.journal.run_journal import open_journal
        from penstock.journal.writing import Holder

        process = f"process {os.getpid()} on {socket.gethostname()}, {secrets.token_hex(4)}"
        attempt = self._runs.begin_attempt(self._id)
        anew = self._row.journal != self._id and self._row.attempts == 0
        try:
            return open_journal(
                local_chain(self._row, runs=self._runs),
                holder=Holder(attempt=attempt, process=process),
                anew=anew,
                rewind=rewind_to(order.start) if anew and order.start else None,
                when_fenced=lambda: leave(CRASHED, f"Another process has taken {self._id} over."),
            )
        except (CommandError, StoreUnusable, CorruptJournal) as error:
            self._runs.take_back_attempt(self._row, message=str(error))
            raise CommandError(str(error)) from error

    def _note(self, state: str, message: str) -> None:
        progress = self._board.render()["progress"]
        self._runs.note(self._id, state=state, progress=progress, message=message)

    @contextmanager
    def _suspended_by_signals(self, activity: Activity) -> Iterator[None]:
        """Make the first Ctrl-C or SIGTERM suspend the run, and the second leave at once."""

        def suspend(number: int, _: FrameType | None) -> None:
            signal.signal(number, lambda *_: self._leave())
            words = "Suspending once the running tasks have ended; Ctrl-C again leaves at once."
            say(words if self._frame else f"\n{words}")  # the terminal has echoed ^C
            threading.Thread(target=self._suspend, args=(activity,), daemon=True).start()

        previous = {each: signal.signal(each, suspend) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in previous.items():
                signal.signal(each, handler)

    def _suspend(self, activity: Activity) -> None:
        activity.leave(grace_seconds=GRACE_SECONDS)
        self._store()
        self._leave()

    def _leave_waiting(self, reason: Suspended) -> None:
        self._store()
        until = reason.wait.until
        moment = f" until {until.astimezone():%Y-%m-%d %H:%M:%S}" if until else ""
        name = reason.wait.name
        what = {
            "Sleep": "It sleeps",
            "RetryDelay": f"{name} waits for its retry",
            "Signal": f"It waits for penstock signal --here {self._id} {name}",
        }
        self._leave(f"{what.get(reason.wait.kind, 'It waits')}{moment}.")

    def _leave_for_person(self, activity: Activity, problem: Problem) -> NoReturn:
        """Leave until somebody has mended something; what the run has finished is stored."""
        activity.leave(grace_seconds=GRACE_SECONDS)
        self._store()
        self._leave(problem.message)

    def _store(self) -> None:
        """See to it that what was recorded is stored; what cannot be is done again."""
        from penstock.errors import JournalError

        with suppress(JournalError):
            if self._journal is not None:
                self._journal.flush()

    def _leave(self, message: str = "") -> NoReturn:
        """Leave the process as a crash would: everything that is finished is stored."""
        self._note("Suspended", message)
        self._is_suspended = True
        if self._frame is not None:
            self._frame.__exit__(None, None, None)
        words = [f"{self._id} is suspended.", message, "Go on with:"]
        leave(SUSPENDED, f"{' '.join(filter(None, words))} penstock run --resume {self._id}")

    def as_object(self) -> dict[str, Any]:
        """Return the run in the shape of a FlowRun, which is what the view draws."""
        status: dict[str, Any] = {
            "state": "Suspended" if self._is_suspended else "Running",
            "attempt": 1,
            "startedAt": self._started_at,
            "execution": dict(self._board.render()),
        }
        if self._outcome is not None:
            moment = rfc3339(self._outcome.state.timestamp)
            status |= {"state": state_word(self._outcome), "finishedAt": moment}
            status["message"] = self._outcome.message
            if self._outcome.error is not None:
                status["execution"]["error"] = {"traceback": self._outcome.error.traceback}
        return {
            "metadata": {"name": self._id, "creationTimestamp": self._started_at},
            "spec": {"flowRef": {"name": self._flow.name}},
            "status": status,
        }

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """Draw the run below its logs on a terminal; elsewhere say how it ended."""
        screen = console(stderr=True)
        if screen.is_terminal and not screen.is_dumb_terminal:
            from penstock.cli.watch import Frame

            # Prints of the flow would tear the drawing where both are on one screen.
            self._frame = Frame(self.as_object).shown_on(
                screen, redirect_stdout=sys.stdout.isatty()
            )
            with self._frame:
                yield
            return
        yield
        if self._outcome is not None and self._outcome.error is not None:
            say(self._outcome.error.traceback.rstrip())
        if self._outcome is not None:
            progress = self._runs.find(self._id).progress
            say(f"{self._id}  {state_word(self._outcome)}  {progress}  {self._outcome.message}")


def _notice_board() -> NoticeBoard:
    from penstock.runner.board import NoticeBoard
    from penstock.runner.ownership import Claim

    claim = Claim(1, pod_name=socket.gethostname(), pod_uid=str(os.getpid()))
    return NoticeBoard(claim, ring=lambda: None)


def state_word(outcome: Outcome) -> str:
    """Return how a run ended, as a FlowRun says it."""
    return outcome.state.type.value.capitalize()
