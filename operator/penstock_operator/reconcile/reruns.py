"""Whether a rerun can begin: the run that it names exists, is of the same flow, and has ended.

What is kept of that run is the runner's business, which reads its journal.
"""

from datetime import timedelta

from penstock_operator.model.states import Reason, WaitKind
from penstock_operator.reconcile.case import RunCase
from penstock_operator.reconcile.holds import Hold
from penstock_operator.reconcile.relatives import relative
from penstock_operator.reconcile.views import RunView

LOOK_AGAIN = timedelta(seconds=5)
"""How often it is looked whether the run before has ended: the rerun hears of no event."""


def trouble_of_rerun(case: RunCase) -> Hold | str | None:
    """Say what a rerun waits for, or why it can never begin; ``None`` if it can, or is none."""
    wanted = case.run.spec.rerun_of
    if wanted is None:
        return None
    old = relative(case, wanted.name)
    if old is None:
        return (
            f"The run {wanted.name}, with whose journal this run is to begin, does not exist. It"
            " was deleted by hand or by its flow's history. Create a run without rerunOf."
        )
    return _refusal(case, old) or _wait(old)


def _refusal(case: RunCase, old: RunView) -> str | None:
    if old.uid == case.run.metadata.uid:
        return "A run cannot be a rerun of itself. Name the run that it is to go on from."
    flow = case.run.spec.flow_ref.name
    if old.flow != flow:
        return (
            f"The run {old.name} is one of the Flow {old.flow}, and this one is of {flow}: a rerun"
            " is of the same Flow. Name another run, or leave rerunOf out."
        )
    return None


def _wait(old: RunView) -> Hold | None:
    if old.is_over:
        return None
    words = (
        f"The run {old.name}, with whose journal this run is to begin, has not ended. This run"
        " starts by itself when it has; cancel that one if it is not to end by itself."
    )
    return Hold(Reason.WAITING_FOR_RUN, WaitKind.RUN, old.name, words)
