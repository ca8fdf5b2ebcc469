"""Run a flow of a file in this process, and show how it goes.

What is the flow's own goes to stdout; what is ours (the run's id, logs, the view) to stderr.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any

from penstock.cli.errors import CommandError
from penstock.cli.outcome import USAGE
from penstock.cli.output import console, print_document, say
from penstock.cli.render import object_name
from penstock.runner.exits import OF_STATE
from penstock.runner.report import rfc3339

if TYPE_CHECKING:
    from penstock.engine.outcome import Outcome
    from penstock.execution import RunContext
    from penstock.flows import Flow
    from penstock.runner.board import NoticeBoard

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes the ends of its names of: nothing that reads like another letter."""


def run_here(
    entrypoint: str,
    *,
    parameters: Mapping[str, Any],
    timeout_seconds: int | None,
    form: str | None,
) -> int:
    """Run the flow to its end and return the exit code."""
    run_id = _new_id(entrypoint)
    say(f"run {run_id}")
    run = LocalRun(load(entrypoint), run_id=run_id)
    outcome = run.execute(parameters, timeout_seconds=timeout_seconds)
    sys.stdout.flush()
    if form is not None and outcome.state.is_completed():
        print_document(_plain(outcome.result), form=form)
    return USAGE if outcome.reason == "InvalidParameters" else OF_STATE[_state(outcome)]


def load(entrypoint: str) -> Flow[..., Any]:
    """Import the flow, or say in a sentence why that does not work."""
    from penstock.errors import FlowLoadError
    from penstock.loading import load_flow

    try:
        return load_flow(entrypoint)
    except FlowLoadError as error:
        raise CommandError(str(error)) from error


class LocalRun:
    """One run in this process: what is known of it while it goes on, and afterwards."""

    def __init__(self, flow: Flow[..., Any], *, run_id: str) -> None:
        self._flow = flow
        self._id = run_id
        self._board = _notice_board()
        self._started_at = rfc3339(datetime.now(UTC))
        self._outcome: Outcome | None = None

    def execute(self, parameters: Mapping[str, Any], *, timeout_seconds: int | None) -> Outcome:
        """Run the flow in the calling thread, which must be the main one."""
        from penstock.execution import Overrides, RunContext, execute
        from penstock.logging import configure

        context = RunContext(self._id)
        with self._shown(), _cancelled_by_signals(context):
            configure(stream=sys.stderr)
            self._outcome = execute(
                self._flow,
                parameters=parameters,
                context=context,
                reporter=self._board,
                overrides=Overrides(timeout_seconds=timeout_seconds),
            )
        return self._outcome

    def as_object(self) -> dict[str, Any]:
        """Return the run in the shape of a FlowRun, which is what the view draws."""
        status: dict[str, Any] = {
            "state": "Running",
            "attempt": 1,
            "startedAt": self._started_at,
            "execution": dict(self._board.render()),
        }
        if self._outcome is not None:
            moment = rfc3339(self._outcome.state.timestamp)
            status |= {"state": _state(self._outcome), "finishedAt": moment}
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
            with Frame(self.as_object).shown_on(screen, redirect_stdout=sys.stdout.isatty()):
                yield
            return
        yield
        if self._outcome is not None and self._outcome.error is not None:
            say(self._outcome.error.traceback.rstrip())
        if self._outcome is not None:
            progress = self.as_object()["status"]["execution"]["progress"]
            say(f"{self._id}  {_state(self._outcome)}  {progress}  {self._outcome.message}")


def _new_id(entrypoint: str) -> str:
    suffix = "".join(secrets.choice(ALPHABET) for _ in range(5))
    return f"{object_name(entrypoint.rpartition(':')[2])[:46]}-{suffix}"


def _notice_board() -> NoticeBoard:
    from penstock.runner.board import NoticeBoard
    from penstock.runner.ownership import Claim

    claim = Claim(1, pod_name=socket.gethostname(), pod_uid=str(os.getpid()))
    return NoticeBoard(claim, ring=lambda: None)


def _state(outcome: Outcome) -> str:
    return outcome.state.type.value.capitalize()


@contextmanager
def _cancelled_by_signals(context: RunContext) -> Iterator[None]:
    """Make the first Ctrl-C or SIGTERM cancel the run, and the second end it at once."""

    def cancel(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        say("Cancelling; press Ctrl-C again to stop at once.")
        context.request_cancel()

    previous = {each: signal.signal(each, cancel) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


def _plain(result: object) -> Any:
    """Return the result in JSON's types; what has none of them is shown as Python shows it."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(result, fallback=repr)
