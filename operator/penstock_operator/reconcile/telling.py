"""Events about a run, for people who describe it: what its status does not say for long."""

from collections.abc import Sequence
from typing import Literal

from penstock_operator.model.flow import Flow
from penstock_operator.reconcile.actions import Action, PatchRunStatus, TellEvent
from penstock_operator.reconcile.case import RunCase
from penstock_operator.reconcile.images import has_changed
from penstock_operator.reconcile.manifests import event_manifest
from penstock_operator.reconcile.names import job_name
from penstock_operator.reconcile.text import LONGEST_NOTE, shorten


def tell_of_changed_code(case: RunCase) -> tuple[Action, ...]:
    """Tell that the attempt which has reported goes on with other code than the one before."""
    report = case.report
    if report is None or report.journal is None or not report.journal.code_changed:
        return ()
    words = (
        f"Attempt {case.status.attempt} goes on with other code than the attempt before: the file"
        " of the flow in its image, or one beside it that it imports, has changed. What had"
        " finished keeps its results."
    )
    return (_event(case, reason="CodeChanged", message=words, attempt=case.status.attempt),)


def tell_of_loss(case: RunCase, words: str) -> Action:
    """Tell why another attempt follows: the status says so for a moment only."""
    attempt = case.status.attempt
    return _event(case, reason="AttemptLost", message=words, attempt=attempt, type_="Warning")


def tell_of_changed_image(case: RunCase, actions: Sequence[Action]) -> tuple[Action, ...]:
    """Tell that an attempt runs another image than the run began with, when that is written."""
    for action in actions:
        if not isinstance(action, PatchRunStatus) or not has_changed(action.status):
            continue
        status = action.status
        if status.last_image_id == case.status.last_image_id:
            continue
        words = (
            f"Attempt {case.status.attempt} runs {status.last_image_id} under the name"
            f" {status.image}; the run began with {status.image_id}. What had finished keeps its"
            " results. A name with a digest always means the same image."
        )
        return (_event(case, reason="ImageChanged", message=words, attempt=case.status.attempt),)
    return ()


def tell_of_changed_flow(case: RunCase) -> tuple[Action, ...]:
    """Tell that the next attempt starts from the Flow as it was, though it was edited since."""
    flow, pinned = case.observed.flow, case.status.code_version
    current = flow.status.code_version if isinstance(flow, Flow) else None
    if current is None or pinned is None or current == pinned:
        return ()
    words = (
        f"The Flow {flow.metadata.name if isinstance(flow, Flow) else ''} has changed since this"
        f" run began: it goes on with the version {pinned}, not {current}. For the new one cancel"
        f" it, and: kubectl penstock retry {case.name}"
    )
    return (_event(case, reason="FlowChanged", message=words, attempt=case.status.attempt + 1),)


def _event(
    case: RunCase,
    *,
    reason: str,
    message: str,
    attempt: int,
    type_: Literal["Normal", "Warning"] = "Normal",
) -> Action:
    """Write an Event down; its name makes it one for each attempt."""
    return TellEvent(
        event_manifest(
            case.run.metadata,
            kind="FlowRun",
            name=f"{job_name(case.name, attempt=attempt)}.{reason.lower()}",
            type_=type_,
            reason=reason,
            message=shorten(message, limit=LONGEST_NOTE),
            now=case.now,
        )
    )
