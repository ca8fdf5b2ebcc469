"""Runs that matter to a run: the one that started it, that it is a rerun of, that it waits for.

What becomes of a child follows from how its parent stands, each time anew: nobody passes on that
the parent has ended, so that nothing is missed while no operator runs.
"""

from penstock_operator.model.execution import Suspension
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.reconcile.case import NeedError, RunCase
from penstock_operator.reconcile.observed import Look, RunView


def names_of_relatives(run: FlowRun) -> frozenset[str]:
    """Name the runs that the plan of a run may have to know."""
    names = set(_awaited(run.status.execution.suspension) if run.status.execution else ())
    parent = run.spec.parent_ref
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
        found = relative(case, name)
        if found is None or found.is_over:
            return name
    return None


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
