"""Load the flow and run it, once the attempt is this pod's."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from penstock.engine.runs import Deployed
from penstock.errors import ChildRunRefused, FlowLoadError, JournalError, RerunImpossible
from penstock.execution import Overrides, RunContext, execute
from penstock.loading import load_flow
from penstock.logging import configure
from penstock.runner import exits
from penstock.runner.board import NoticeBoard
from penstock.runner.conclusion import (
    conclude_cancelled_before_start,
    conclude_cancelled_between,
    conclude_no_rerun,
    conclude_no_successor,
    conclude_not_loaded,
    conclude_outcome,
    conclude_unusable_journal,
)
from penstock.runner.durable import LIMITS_SECONDS, make_durable, owes_rollbacks
from penstock.runner.environment import Environment
from penstock.runner.launch import (
    LaunchError,
    enter_sources,
    last_report,
    read_launch,
    scheduled_time,
)
from penstock.runner.limits import close_limits
from penstock.runner.publisher import Publisher
from penstock.runner.report import Conclusion

MERGE_SECONDS = 4.0
"""How long the last records of a journal may take to become one object."""


def run_flow(
    environment: Environment, *, publisher: Publisher, board: NoticeBoard, afterwards: ExitStack
) -> Conclusion:
    """Wait for the claim, run the flow to its end, and tell how it ended.

    ``afterwards`` gets what is to be done once the outcome is stored.
    """
    configure(stream=sys.stdout)
    afterwards.callback(close_limits, suspended=False, within=LIMITS_SECONDS)
    # A third for bodies that still run once the flow has cleaned up; the rest is for the flow.
    context = RunContext(environment.run, cancel_grace_seconds=environment.grace_seconds / 3)
    publisher.on_cancel = context.request_cancel
    run = publisher.claimed()
    context.scheduled_at = scheduled_time(run)

    def unbegun(conclusion: Conclusion) -> Conclusion:
        board.repeat(last_report(run))
        return conclusion

    if publisher.cancelling:
        if not owes_rollbacks(run):
            return unbegun(conclude_cancelled_before_start(run, attempt=environment.attempt))
        context.request_cancel()  # its report says what it owes, for which it needs its journal
    enter_sources(environment.snapshot)
    try:
        chain = make_durable(
            context,
            environment=environment,
            run=run,
            publisher=publisher,
            board=board,
        )
        if environment.store is not None:
            from penstock.runner.sweeping import sweep_afterwards

            sweep_afterwards(afterwards, environment=environment, run=run)
        afterwards.callback(chain.finish, within=MERGE_SECONDS)
        journal = context.journal
        origin = journal.origin() if journal else None
        launch = read_launch(environment.snapshot, run=run, origin=origin)
        flow = load_flow(launch.entrypoint)
    except (LaunchError, FlowLoadError) as error:
        exits.say(str(error))
        return unbegun(conclude_not_loaded(error))
    except RerunImpossible as error:
        exits.say(str(error))
        return unbegun(conclude_no_rerun(error))
    except JournalError as error:
        exits.say(str(error))
        return unbegun(conclude_unusable_journal(error))
    context.deployed = Deployed(
        id=f"{environment.namespace}/{environment.flow}",
        name=environment.flow,
        version=flow.version,
        parameters=launch.parameters,
    )
    outcome = execute(
        flow,
        parameters=(origin and origin.changes) or launch.parameters,
        context=context,
        reporter=board,
        overrides=Overrides(retries=launch.retries, retry_delay_seconds=launch.retry_delay_seconds),
    )
    if outcome.continuation is not None:
        from penstock.runner.flow_runs import FlowRuns
        from penstock.runner.succession import create_successor

        if publisher.cancelling:
            return conclude_cancelled_between()
        inherited = origin.parameters if origin else {}
        parameters = {**inherited, **outcome.continuation.parameters}
        try:
            return create_successor(FlowRuns(environment), run=run, parameters=parameters)
        except ChildRunRefused as error:
            exits.say(str(error))
            return conclude_no_successor(error)
    if outcome.error is not None:
        print(outcome.error.traceback, file=sys.stderr, flush=True)
    return conclude_outcome(outcome, preview=environment.result_preview)
