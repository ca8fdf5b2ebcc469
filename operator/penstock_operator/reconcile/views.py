"""What the plans see of single objects; raw ones become these views in `reading`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from penstock.concurrency.book import Book, Terms
from penstock_operator.model.meta import Condition, ObjectMeta
from penstock_operator.model.schema import JsonObject
from penstock_operator.model.states import SignalState


@dataclass(frozen=True, slots=True)
class Malformed:
    """An object that does not fit its model: written past the schema, or under a newer one."""

    metadata: ObjectMeta
    sentence: str
    """What is wrong with it."""
    observed_generation: int = -1
    conditions: tuple[Condition, ...] = ()
    """Its present status, as far as that can be read: so that it is written once."""


@dataclass(frozen=True, slots=True)
class JobCondition:
    """A condition of a Job that is True."""

    type: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class JobView:
    """What matters of a batch/v1 Job."""

    name: str
    uid: str
    owner_uid: str
    """Of its controller; empty without one."""
    attempt: int
    """From the label penstock.dev/attempt; 0 if unreadable."""
    created_at: datetime
    started_at: datetime | None = None
    """When the job controller took it up; nothing while it is suspended."""
    deletion_requested_at: datetime | None = None
    grace_seconds: int = 30
    """terminationGracePeriodSeconds of its pod template."""
    suspended: bool = False
    """By its spec, or still by its status."""
    queue: str = ""
    """The LocalQueue of Kueue that is to admit it."""
    active: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    conditions: tuple[JobCondition, ...] = ()

    def condition(self, kind: str) -> JobCondition | None:
        """Return the condition of that type, if it holds."""
        return next((each for each in self.conditions if each.type == kind), None)

    @property
    def launched_at(self) -> datetime:
        """When its pod was due."""
        return self.started_at or self.created_at

    @property
    def is_finished(self) -> bool:
        return self.condition("Failed") is not None or self.condition("Complete") is not None


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container of a pod, with its state. At most one of the three states is set."""

    name: str
    image: str = ""
    image_id: str = ""
    """What the node found under that name."""
    is_init: bool = False
    running: bool = False
    running_since: datetime | None = None
    waiting_reason: str = ""
    waiting_message: str = ""
    exit_code: int | None = None
    terminated_reason: str = ""
    terminated_message: str = ""


@dataclass(frozen=True, slots=True)
class PodView:
    """What matters of a pod."""

    name: str
    uid: str
    owner_uid: str
    """Of the Job that made it."""
    phase: str
    created_at: datetime
    reason: str = ""
    """status.reason, for example Evicted."""
    message: str = ""
    node: str = ""
    deletion_at: datetime | None = None
    """metadata.deletionTimestamp: the request's time plus the grace period."""
    unschedulable: str = ""
    """Message of PodScheduled=False."""
    disruption: str = ""
    """Reason of DisruptionTarget=True, for example DeletionByTaintManager."""
    disruption_message: str = ""
    containers: tuple[ContainerView, ...] = ()
    """Init containers first."""


@dataclass(frozen=True, slots=True)
class EventView:
    """One Kubernetes Event."""

    kind: str
    """Kind of the object it is about: Job or Pod."""
    name: str
    warning: bool
    reason: str
    message: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class ConfigMapView:
    """A ConfigMap's content; `binary` is base64, as on the wire. Each is equal to itself alone."""

    name: str
    data: Mapping[str, str] = field(default_factory=dict)
    binary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SignalView:
    """What matters of a Signal that is Pending, or of any when they are collected."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    run: str
    signal: str
    """What it says: the name that a run waits for."""
    created_at: datetime
    payload_bytes: int = 0
    forwarded_to: str = ""
    """The run that gets it in place of the one that was meant."""
    run_uid: str = ""
    """The very run that it is for; empty as long as no operator has seen both."""
    state: SignalState = SignalState.PENDING
    message: str = ""


@dataclass(frozen=True, slots=True)
class RunView:
    """What matters of a run to another one: its parent, a rerun of it, one that waits for it."""

    name: str
    uid: str
    is_over: bool
    state: str = ""
    flow: str = ""
    cancel: bool = False
    """spec.cancel."""
    suspend: bool = False
    """spec.suspend."""
    parent_uid: str = ""
    continued_as: str = ""
    attempt: int = 0
    reporting_since: datetime | None = None
    """When the runner of the current attempt began to report."""
    rests_on_request: bool = False
    """Whether somebody has suspended it, or its pool."""


@dataclass(frozen=True, slots=True)
class LimitView:
    """A ConcurrencyLimit, and who has its slots."""

    metadata: ObjectMeta
    manifest: JsonObject
    """As it was observed: its status is replaced as a whole."""
    terms: Terms
    book: Book
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class BindingView:
    """A RoleBinding: the ClusterRole that it grants, and the ServiceAccounts of its own namespace
    that get it."""

    name: str
    role: str
    service_accounts: frozenset[str]


class Series(NamedTuple):
    """Runs that a history counts by themselves: those of a Schedule, or of one of its backfills."""

    schedule: str
    backfill: str = ""


NO_SERIES = Series("")
"""Of runs that no Schedule has made, or none that there is still."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A finished run, from a metadata-only list by state."""

    namespace: str
    name: str
    uid: str
    successful: bool
    """Listed with status.state=Completed."""
    finished_at: datetime
    """Time of penstock-operator's last entry in managedFields, else the creation time."""
    parent: str = ""
    """From the label penstock.dev/parent."""
    chain: str = ""
    """From the label penstock.dev/chain, else its own name."""
    series: Series = NO_SERIES
    """From the labels penstock.dev/schedule and penstock.dev/backfill."""


class RunName(NamedTuple):
    """A FlowRun that exists."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """The metadata of a snapshot ConfigMap."""

    namespace: str
    name: str
    uid: str
    created_at: datetime
