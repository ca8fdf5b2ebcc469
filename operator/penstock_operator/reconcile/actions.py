"""What the plans ask for. `kube` carries each out with one call; `app` does so in order.

The first action that fails ends the list; the key is queued again and the next plan starts from
what is true then. So the order within a plan matters: a crash after any action leaves a state from
which the next plan goes on rightly. Each says when an error counts as done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from penstock_operator.model.flow import FlowStatus
from penstock_operator.model.flowrun import FlowRunStatus
from penstock_operator.model.meta import ObjectMeta
from penstock_operator.model.schedule import ScheduleStatus
from penstock_operator.model.schema import JsonObject
from penstock_operator.model.signal import SignalStatus
from penstock_operator.model.workpool import WorkPoolStatus
from penstock_operator.reconcile.observed import Look


class Propagation(StrEnum):
    """The propagationPolicy of a deletion."""

    FOREGROUND = "Foreground"
    """The Job stays, marked as being deleted, until its pods are gone."""

    BACKGROUND = "Background"
    """The Job goes at once, its pods after it."""


@dataclass(frozen=True, slots=True)
class Target:
    """The object that a write is about, as it was observed."""

    namespace: str
    name: str
    uid: str
    resource_version: str


def target_of(metadata: ObjectMeta) -> Target:
    """Name an object as it was observed."""
    return Target(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )


@dataclass(frozen=True, slots=True)
class PatchRunStatus:
    """Apply all fields of the status that are the operator's (never `execution`), with the
    observed resourceVersion as precondition. A conflict requeues: somebody knew more."""

    target: Target
    status: FlowRunStatus
    ended: bool = False
    """Whether it brings the run to its end: count `penstock_runs_total{state}`, and look at the
    flow's history."""
    recovered_from: str = ""
    """The cause of the loss that it recovers from: count `penstock_run_recoveries_total{cause}`."""
    woken_by: str = ""
    """Why it ends a wait without a pod: count `penstock_run_wakes_total{cause}`."""
    unstored: int = 0
    """Results that an attempt could not store which is over by this: count
    `penstock_unstored_results_total`."""


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Create the Job. 409 is done when the existing Job's controller is `owner_uid`; 400, 403, 409
    otherwise, 413 and 422 lead to a plan with `ObservedRun.refusal`."""

    manifest: JsonObject
    owner_uid: str
    run_created_at: datetime | None = None
    """Set for the first attempt: measure `penstock_launch_delay_seconds` from it."""


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete the Job with that uid. 404, and 409 by the uid, are done."""

    namespace: str
    name: str
    uid: str
    propagation: Propagation


@dataclass(frozen=True, slots=True)
class CreateSnapshot:
    """Create the immutable ConfigMap. 409 is done: its name is the hash of its content."""

    manifest: JsonObject


@dataclass(frozen=True, slots=True)
class DeleteSnapshot:
    """Delete the ConfigMap with that uid. 404, and 409 by the uid, are done."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PatchFlowStatus:
    """Apply the Flow's status, with the observed resourceVersion as precondition."""

    target: Target
    status: FlowStatus


@dataclass(frozen=True, slots=True)
class PatchPoolStatus:
    """Apply the WorkPool's status, with the observed resourceVersion as precondition."""

    target: Target
    status: WorkPoolStatus


@dataclass(frozen=True, slots=True)
class PutLimitStatus:
    """Replace the status of a ConcurrencyLimit, whose resourceVersion is the precondition: runners
    write it too."""

    target: Target
    manifest: JsonObject


@dataclass(frozen=True, slots=True)
class PatchSignalStatus:
    """Apply the Signal's status, with the observed resourceVersion as precondition. 404 is done:
    somebody took the signal back."""

    target: Target
    status: SignalStatus


@dataclass(frozen=True, slots=True)
class DeleteSignal:
    """Delete the Signal with that uid. 404, and 409 by the uid, are done."""

    namespace: str
    name: str
    uid: str
    is_lost: bool = False
    """Whether nobody has ever taken or refused it."""


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Create the FlowRun of a schedule's moment. 409 is done: a moment has one name, so one run."""

    manifest: JsonObject
    due_at: datetime | None
    """Measure `penstock_schedule_lag_seconds` from it; nothing if a backfill asks for the run."""


@dataclass(frozen=True, slots=True)
class CancelRun:
    """Set spec.cancel of a run that a Schedule made. 404, and 409 by the uid, are done."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PatchScheduleStatus:
    """Apply the Schedule's status, with the observed resourceVersion as precondition: whoever has
    an older one decides nothing, and makes no run."""

    target: Target
    status: ScheduleStatus
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Moments skipped by this, by reason: count `penstock_schedule_skipped_ticks_total`."""


@dataclass(frozen=True, slots=True)
class EnsureServiceAccount:
    """Create the ServiceAccount; 409 is done. It may carry labels and secrets of other hands."""

    manifest: JsonObject


@dataclass(frozen=True, slots=True)
class EnsureRoleBinding:
    """Apply the RoleBinding (field manager penstock-operator, force)."""

    manifest: JsonObject
    replace: bool = False
    """Delete the one that exists first: a binding's role cannot be changed."""


@dataclass(frozen=True, slots=True)
class TellEvent:
    """Create the Event. Whatever becomes of it is done: nothing hangs on it."""

    manifest: JsonObject


@dataclass(frozen=True, slots=True)
class DeleteRun:
    """Delete a finished FlowRun with that uid, in the background. 404, and 409 by the uid, are
    done."""

    namespace: str
    name: str
    uid: str


Action = (
    PatchRunStatus
    | CreateJob
    | DeleteJob
    | CreateSnapshot
    | DeleteSnapshot
    | PatchFlowStatus
    | PatchPoolStatus
    | PatchSignalStatus
    | PutLimitStatus
    | DeleteSignal
    | EnsureServiceAccount
    | EnsureRoleBinding
    | DeleteRun
    | TellEvent
    | CreateRun
    | CancelRun
    | PatchScheduleStatus
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, what to look up first, and when to come back without being called."""

    actions: tuple[Action, ...] = ()
    need: frozenset[Look] = frozenset()
    """Look-ups to make before planning again at once; there are no actions then."""
    requeue_after: timedelta | None = None
    """When to plan again although nothing has happened; counted from the plan."""
    punctual: bool = False
    """Whether somebody counts on that moment: it then does not wait behind a mass of others."""
    keeps_slot: bool = False
    """Whether the slot of its pool that the run was granted is kept though it is not launched."""
