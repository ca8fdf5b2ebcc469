"""What makes a run in a pod durable: its journal, and the way out of the pod while it waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from penstock.drivers.activity import Activity
from penstock.drivers.context import RunContext
from penstock.drivers.suspension import Problem, Suspended, Suspension, Wait
from penstock.drivers.undoing import LastLaunch, Owed
from penstock.errors import JournalError, JournalFenced, StoreUnusable
from penstock.journal.chain import Chain
from penstock.journal.limits import Limits
from penstock.journal.run_journal import RunJournal, open_journal
from penstock.journal.writing import Holder
from penstock.runner import exits
from penstock.runner.apiserver import ApiServer
from penstock.runner.board import NoticeBoard
from penstock.runner.chains import RunChain, open_chain
from penstock.runner.environment import Environment
from penstock.runner.inbox import ClusterInbox
from penstock.runner.launch import last_report
from penstock.runner.limits import close_limits
from penstock.runner.publisher import Publisher
from penstock.runner.reruns import OtherRuns, take_over
from penstock.runner.volumes import outlives_pod
from penstock.stores import holds_journals

if TYPE_CHECKING:
    from penstock.drivers.children import Children

LEAVING_SECONDS = 10.0
"""How long bodies may take to end that began while it was decided to leave."""
LIMITS_SECONDS = 5.0
"""How long it may take to give slots back before the process ends."""
LIMITS = Limits(result=16 * 1024, run=8 * 1024 * 1024)
"""Bytes of one result and of all, as they are stored: etcd holds them."""
FULL = Limits(says="the journals of this namespace take as much as they may.")
"""For a launch in a namespace whose journals are at the operator's cap."""
STORE_LIMITS = Limits(result=64 * 1024)
"""A store has room; what is larger is written as a file of its own."""


def make_durable(
    context: RunContext,
    *,
    environment: Environment,
    run: Mapping[str, Any],
    publisher: Publisher,
    board: NoticeBoard,
) -> RunChain:
    """Give the run its journal, fenced for this attempt, and let it leave the pod when it waits.

    Raises ``JournalError`` where the journal cannot be read, ``RerunImpossible`` where that of the
    run is missing that this one is to begin with. Ends the process (70) if a later attempt has the
    journal, and also where a person must mend its store first.
    """
    status = run.get("status") or {}
    activity = context.activity = Activity()
    way_out = WayOut(activity, context=context, publisher=publisher, board=board)
    server = ApiServer(
        environment.server_host,
        port=environment.server_port,
        credentials=environment.credentials,
    )
    try:
        chain = open_chain(environment, run=run)
        context.journal = journal = _opened(chain, environment)
        origin = take_over(journal, run=run, others=OtherRuns(environment, server=server))
    except StoreUnusable as error:
        problem = Problem(reason="StoreUnusable", name="store", message=str(error))
        way_out.wait_for_person(problem)
    if environment.store is not None:
        from penstock.filesystems import results_in

        journal.keep_large_in(results_in(environment.store), run=environment.run)
    board.figures = journal.figures
    owed = Owed(inherited=owes_rollbacks(run), tell=publisher.report_now)
    journal.figures.owed = context.owed = owed
    if environment.attempt > 1:
        publisher.report_now()  # the attempt before may have come further than it could tell
    if origin is not None:
        context.first_run_id = origin.first
    signals = ClusterInbox(server, environment=environment, run=run, board=board)
    signals.start(journal)
    context.inbox = signals.inbox
    context.outlives_pod = outlives_pod
    context.open_children = partial(_children, environment, run=run, journal=journal)
    context.suspension = Suspension(
        activity,
        leave=way_out.suspend,
        linger_seconds=environment.linger_seconds,
        leaves_for_slots=_leaves_for_slots(run, journal),
    )
    if status.get("ending"):
        context.last_launch = launch = LastLaunch(context, begin_grace=publisher.begin_grace)
        context.suspension, journal.when_new = launch.waits(), launch.meet_news
        exits.say("This launch of the run is there to roll back what it did.")
    context.on_problem = way_out.wait_for_person
    context.accepts_changes = _accepts_changes(run)
    publisher.on_suspend = way_out.suspend_soon
    publisher.on_leaving = way_out.store
    if publisher.suspending:
        way_out.suspend_soon(LEAVING_SECONDS)
    return chain


def owes_rollbacks(run: Mapping[str, Any]) -> bool:
    """Tell whether a launch before has left something that is to be rolled back if the run ends."""
    return bool(last_report(run).get("journal", {}).get("rollbacksOwed"))


def _leaves_for_slots(run: Mapping[str, Any], journal: RunJournal) -> Callable[[], bool]:
    """Return what tells whether the run leaves its pod to wait for a slot.

    Who came back for one takes slots anew for what it did before, in the same line. It waits here
    until it has got something done: else it might leave for the second, come back for the first,
    and so on without end.
    """
    if last_report(run).get("suspension", {}).get("kind") != "ConcurrencyLimit":
        return lambda: True
    before = journal.figures.entries
    return lambda: journal.figures.entries > before


def _children(environment: Environment, *, run: Mapping[str, Any], journal: RunJournal) -> Children:
    # Imported by the first call: most runs have none.
    from penstock.runner.children import ClusterChildren
    from penstock.runner.flow_runs import FlowRuns

    return ClusterChildren(
        environment, run=run, journal=journal, runs=FlowRuns(environment)
    ).children


def _accepts_changes(run: Mapping[str, Any]) -> bool:
    return bool((run["spec"].get("resume") or {}).get("accept"))


def _opened(chain: Chain, environment: Environment) -> RunJournal:
    try:
        return open_journal(
            chain,
            holder=Holder(attempt=environment.attempt, process=_this_process(environment)),
            when_fenced=_leave_fenced,
            limits=_limits(environment),
        )
    except JournalFenced:
        _leave_fenced()


def _limits(environment: Environment) -> Limits:
    if holds_journals(environment.store):
        return STORE_LIMITS
    return FULL if environment.journals_are_full else LIMITS


def _this_process(environment: Environment) -> str:
    """Name this process: a pod's program may be started twice, and then runs twice."""
    return f"{environment.pod_uid}/{os.urandom(4).hex()}"


def _leave_fenced() -> NoReturn:
    exits.leave(exits.FENCED, "Another attempt has taken the run's journal over; this pod stops.")


class WayOut:
    """Leaves the pod between two task bodies, once the API server knows why."""

    def __init__(
        self, activity: Activity, *, context: RunContext, publisher: Publisher, board: NoticeBoard
    ) -> None:
        self._activity = activity
        self._context = context
        self._publisher = publisher
        self._board = board

    def suspend_soon(self, seconds: float) -> None:
        """Leave because somebody asked for it; bodies that run may take so long to end."""
        asked = Wait(kind="Suspend", since=datetime.now(UTC), until=None)
        self._suspend_beside(asked, seconds)

    def wait_for_person(self, problem: Problem) -> NoReturn:
        """Leave because a person has to mend something; the calling thread goes no further."""
        exits.say(problem.message)
        self._suspend_beside(
            Wait(
                kind="Person",
                name=problem.name,
                since=datetime.now(UTC),
                until=None,
                problem=problem,
            ),
            LEAVING_SECONDS,
        )
        threading.Event().wait()
        raise AssertionError("nobody sets it")

    def store(self, seconds: float) -> None:
        """Have what was recorded stored before the pod is stopped, if that takes no longer."""
        thread = threading.Thread(target=self._flush, name="penstock-last-entries", daemon=True)
        thread.start()
        thread.join(seconds)

    def _flush(self) -> None:
        if self._context.journal is not None:
            with suppress(JournalError):  # what is not stored is done again
                self._context.journal.flush()

    def _suspend_beside(self, wait: Wait, seconds: float) -> None:
        threading.Thread(
            target=self.suspend,
            args=(Suspended(wait, ()),),
            kwargs={"grace_seconds": seconds},
            name="penstock-way-out",
            daemon=True,
        ).start()

    def suspend(self, reason: Suspended, *, grace_seconds: float = LEAVING_SECONDS) -> None:
        """Report why the run waits, and end the process; return if the flow ended before."""
        self._activity.leave(grace_seconds=grace_seconds)
        self._flush()
        keeps_places = reason.wait.kind not in ("Suspend", "Person")  # else nobody knows how long
        close_limits(suspended=keeps_places, within=LIMITS_SECONDS)
        if not self._board.suspend(reason):
            return
        self._publisher.deliver()
        exits.leave(exits.COMPLETED, f"The run goes on later, in another pod: {_words(reason)}.")


def _words(reason: Suspended) -> str:
    wait = reason.wait
    until = f" until {wait.until:%Y-%m-%d %H:%M:%S} UTC" if wait.until else ""
    match wait.kind:
        case "Sleep":
            return f"it sleeps{until}"
        case "RetryDelay":
            return f"{wait.name} waits for its retry{until}"
        case "Signal":
            return f"it waits for the signal {wait.name}{until}"
        case "Run":
            return f"it waits for the run {wait.name}"
        case "ConcurrencyLimit":
            return f"it waits for a slot of the limit {wait.name}{until}"
        case "Person":
            return "somebody has to mend what is said above"
    return "it was suspended"
