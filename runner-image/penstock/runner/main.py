"""The life of the process: claim the attempt, run the flow, deliver the outcome, leave."""

from __future__ import annotations

import io
import os
import sys
import traceback
from contextlib import ExitStack

from penstock.runner import exits
from penstock.runner.apiserver import ApiServer
from penstock.runner.board import NoticeBoard
from penstock.runner.environment import Environment, NotInPodError, read_environment
from penstock.runner.own_run import OwnRun
from penstock.runner.ownership import Claim
from penstock.runner.publisher import Publisher
from penstock.runner.signals import Wakeup

LINGER_SECONDS = 5.0
"""How long the user's threads and the journal's merging may go on after the outcome is stored."""


def main() -> int:
    """Run the flow of this pod; return the process's exit code."""
    try:
        environment = read_environment(os.environ)
    except NotInPodError as error:
        exits.say(str(error))
        return exits.NOT_IN_POD
    _write_lines_at_once()
    return _run(environment)


def _run(environment: Environment) -> int:
    wakeup = Wakeup()
    wakeup.listen()
    claim = Claim(environment.attempt, pod_name=environment.pod_name, pod_uid=environment.pod_uid)
    board = NoticeBoard(claim, ring=wakeup.poke)
    server = ApiServer(
        environment.server_host,
        port=environment.server_port,
        credentials=environment.credentials,
    )
    publisher = Publisher(
        OwnRun(environment, server=server),
        claim=claim,
        board=board,
        wakeup=wakeup,
        grace_seconds=environment.grace_seconds,
    )
    publisher.start()
    # Imported late: the claim is on its way meanwhile.
    from penstock.runner.flow import run_flow

    afterwards = ExitStack()
    try:
        conclusion = board.conclude(
            run_flow(environment, publisher=publisher, board=board, afterwards=afterwards)
        )
    except BaseException:  # the user's threads would hold the process up, without an outcome
        traceback.print_exc()
        exits.leave(exits.CRASHED, "The runner failed, which is a bug in Penstock.")
    publisher.deliver()
    code = exits.OF_STATE[conclusion.state]
    exits.leave_after(LINGER_SECONDS, code=code)
    afterwards.close()
    return code


def _write_lines_at_once() -> None:
    """Make each line appear in the pod's log when it is printed, not when a buffer is full."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
