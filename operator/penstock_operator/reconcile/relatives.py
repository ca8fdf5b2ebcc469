"""Runs that matter to a run: its parent, what it is a rerun of, goes on from or waits for.

What becomes of a child follows from how its parent stands, each time anew: nobody passes on that
the parent has ended, so that nothing is missed while no operator runs.
"""

from datetime import timedelta

from penstock_operator.model.execution import Suspension
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.model.states import Reason, State, WaitKind
from penstock_operator.reconcile.actions import Plan
from penstock_operator.reconcile.case import NeedError, RunCase, after
from penstock_operator.reconcile.ending import end
from penstock_operator.reconcile.observed import Look
from penstock_operator.reconcile.status import Standing, status_with, waiting
from penstock_operator.reconcile.views import RunView

SLOW = timedelta(seconds=10)
"""How often a run is looked at that no event tells of: one that has ended."""


def names_of_relatives(run: FlowRun) -> frozenset[str]:
    """Name the runs that the plan of a run may have to know."""
    names = set(_awaited(run.status.execution.suspension) if run.status.execution else ())
    parent, before = run.spec.parent_ref, run.spec.continued_from
    if before is not None and not run.status.attempt:
        names.add(before.name)
    if run.status.continued_as:
        names.add(run.status.continued_as)
    if parent is not None and parent.close_policy == "Cancel":
        names.add(parent.name)
    if run.spec.rerun_of is not None and run.status.attempt == 0:
        names.add(run.spec.rerun_of.name)
    return frozenset(names)


def closing(case: RunCase) -> str | None:
    """Say, in a clause, why the run has to end with its parent; None as long as it may go on."""
    parent = case.run.spec.parent_ref
    if parent is None or parent.close_policy != "Cancel":
        return None
    found = relative(case, parent.name)
    if found is None or found.uid != parent.uid:
        return f" because its parent {parent.name} does not exist any more"
    if found.is_over:
        return f" because its parent {parent.name} has ended as {found.state}"
    if found.cancel:
        return f" because its parent {parent.name} is cancelled"
    return None


def ended_run(case: RunCase, suspension: Suspension) -> str | None:
    """Name a run that has ended, or is gone, and whose end is waited for."""
    for name in _awaited(suspension):
        if name in case.observed.heads:
            continue  # it goes on as another run
        found = relative(case, name)
        if found is None or found.is_over:
            return name
    return None


def taking_over(case: RunCase) -> Plan | None:
    """Hold a run that goes on from another until that has ended for it; None once it may start.

    The runner before creates it, and then reports its own end: until that is accepted nobody knows
    which of the two goes on. What was asked of the run before meanwhile holds for this one.
    """
    before = case.run.spec.continued_from
    if before is None:
        return None
    found = relative(case, before.name)
    if found is None or found.uid != before.uid:
        return None  # collected since; it was there when this run was created
    if not found.is_over:
        return after(SLOW)
    parent = case.run.spec.parent_ref
    if found.flow != case.run.spec.flow_ref.name or found.parent_uid != (
        parent.uid if parent is not None else ""
    ):
        words = f"The run is to go on from {found.name}, but is of another Flow or parent."
        return end(case, state=State.FAILED, reason=Reason.LAUNCH_REFUSED, message=words)
    if found.cancel or found.continued_as != case.name:
        words = f"was cancelled, and ended as {found.state}"
        words = f"The run {found.name}, from which this one was to go on, {words}."
        return end(case, state=State.CANCELLED, reason=Reason.CANCEL_REQUESTED, message=words)
    if found.suspend:
        words = (
            f"The run {found.name}, from which this one goes on, was suspended. Set spec.suspend of"
            f" {found.name} to false; this run then starts."
        )
        wait = waiting(
            case.run,
            reason=Reason.SUSPEND_REQUESTED,
            kind=WaitKind.SUSPEND,
            name=found.name,
            now=case.now,
        )
        standing = Standing(State.SUSPENDED, Reason.SUSPEND_REQUESTED, words, wait)
        return after(SLOW, *case.patch(status_with(standing, run=case.run, now=case.now)))
    return None


def heir(case: RunCase) -> RunView | None:
    """Return the run that gets what a run still gets that has ended to go on; None if none does."""
    name = case.status.continued_as
    if name is None:
        return None
    first = case.run.spec.continued_from
    head = case.observed.heads.get(first.first if first is not None else case.name)
    return head or relative(case, name)


def _awaited(suspension: Suspension | None) -> tuple[str, ...]:
    if suspension is None:
        return ()
    named = suspension.kind == "Run" and suspension.name not in (None, *suspension.runs)
    return (suspension.name, *suspension.runs) if named and suspension.name else suspension.runs


def relative(case: RunCase, name: str) -> RunView | None:
    """Return how another run stands; `None` if there is none."""
    if name not in case.observed.relatives:
        raise NeedError(Look.RELATIVES)
    return case.observed.relatives[name]
