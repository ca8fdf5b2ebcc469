"""Which image an attempt has really run: what its node found under the image's name.

A name may stand for another image at the next launch. Only a node knows which, and it tells in the
pod's status, some time after the container has started. So a pod is looked at when its attempt is
over, since something is written then anyway, and that of a later attempt soon after its report.
"""

from datetime import datetime, timedelta

from penstock_operator.model.execution import Execution
from penstock_operator.model.flowrun import FlowRunStatus
from penstock_operator.model.states import State

TOLD_AFTER, TOLD_UNTIL = timedelta(seconds=3), timedelta(seconds=15)
"""How long after its runner's start a later attempt's pod is looked at."""


def is_over(status: FlowRunStatus, *, before: FlowRunStatus) -> bool:
    """Tell whether a status that is to be written says that the attempt before it is over."""
    ended = status.state is not None and status.state.is_terminal
    return ended or status.state == State.SUSPENDED or status.attempt > before.attempt


def with_image(status: FlowRunStatus, *, found: str) -> FlowRunStatus:
    """Return the status with what an attempt has run, if that is anything new."""
    if not found or found == (status.last_image_id or status.image_id):
        return status
    field = "image_id" if status.image_id is None else "last_image_id"
    return status.model_copy(update={field: found})


def has_changed(status: FlowRunStatus) -> bool:
    """Tell whether the run goes on with another image than it began with."""
    return status.last_image_id not in (None, status.image_id)


def next_look(status: FlowRunStatus, report: Execution, *, now: datetime) -> timedelta | None:
    """Return in how long to look whether an attempt runs the image that the run began with: never
    for the first one, and for one whose node has had its time to tell."""
    if status.attempt < 2 or status.image_id is None:
        return None
    age = max(now - (report.started_at or now), timedelta())
    return max(TOLD_AFTER - age, timedelta()) if age < TOLD_UNTIL else None
