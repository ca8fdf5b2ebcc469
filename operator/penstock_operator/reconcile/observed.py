"""What the plans look at: filled by `app` from its caches, and by `kube` where a plan asks it to.

`NOT_LOOKED` tells a look-up that was not made from one that found nothing. A plan that needs it
returns no actions but `Plan.need`; the caller makes the look-ups and plans again at once.
Raw objects become these views in `reading`, which never raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import NamedTuple

from penstock.concurrency.book import Book, Key, Terms
from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.model.meta import Condition, ObjectMeta
from penstock_operator.model.schema import JsonObject
from penstock_operator.model.states import SignalState
from penstock_operator.model.workpool import WorkPool


class NotLooked(Enum):
    """The type of `NOT_LOOKED`."""

    NOT_LOOKED = auto()


NOT_LOOKED = NotLooked.NOT_LOOKED


class Look(StrEnum):
    """A look-up that a plan asks for."""

    JOBS = "Jobs"
    """List the run's Jobs from the API server by the label penstock.dev/run → `jobs`, and set
    `jobs_are_live`."""

    PODS = "Pods"
    """List the pods with the labels penstock.dev/run and penstock.dev/attempt → `pods`."""

    IMAGE = "Image"
    """Get the pod that has reported, and what its container `flow` runs → `image_id`."""

    EVENTS = "Events"
    """List the Events about the current Job and about the pods found (by involvedObject.uid) →
    `events`. Always asked for together with PODS."""

    SNAPSHOT = "Snapshot"
    """Get the ConfigMap `snapshot_name(flow, status.codeVersion)` → `snapshot`. Immutable: it may
    come from a cache without limit of age, but a missing one must be looked for again."""

    LIMITS = "Limits"
    """List the ConcurrencyLimits of the namespace → `limits`, and set `limits_are_live`."""

    HOLDERS = "Holders"
    """Get the runs that a ConcurrencyLimit's status names and no cache has → `runs`."""

    RELATIVES = "Relatives"
    """Get the runs that `relatives.names_of_relatives` names and no cache has → `relatives`."""

    SOURCE = "Source"
    """Get the ConfigMap that the Flow's `source.configMap` names, uncached → `source`."""

    SLOT = "Slot"
    """Ask for a slot of the run's pool and flow, and take it if there is one → `slot`."""

    OUTCOMES = "Outcomes"
    """Get the runs that a Schedule's status lists as active or starting and that the cache lacks →
    `outcomes`."""

    TEMPLATE = "Template"
    """Ask the API server whether it can read a WorkPool's pod template → `unreadable`."""

    ACCESS = "Access"
    """Get the runner's ServiceAccount and the RoleBindings that the plan of a pool expects →
    `access`."""


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
class Refusal:
    """The API server's answer to the creation of the current attempt's Job.

    `app` sets it in the one plan that follows a CreateJob which was refused for good (400, 403,
    409 by a Job of another owner, 413, 422), and in no other. Other errors requeue with backoff.
    """

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Slot:
    """The answer to a run that asks for a slot of its pool."""

    ahead: int | None = None
    """How many get one before; nothing if it is granted."""
    for_flow: bool = False
    """Whether it is the flow's own limit that holds the run."""


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
class ObservedLimit:
    """All that the plan of a ConcurrencyLimit may look at."""

    limit: LimitView | Malformed
    runs: Mapping[str, RunView | None] = field(default_factory=dict)
    """The runs that its status names: the unfinished ones of the cache, and all others that were
    looked for; None is a run that does not exist."""
    silent: frozenset[Key] = frozenset()
    """Those that have given no sign of life for as long as a lease lasts."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How many runs of a pool are at work and wait, by queue."""

    by_queue: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    waiting_since: datetime | None = None
    """When the oldest run that waits was created."""
    not_started: Mapping[str, int] = field(default_factory=dict)
    """How many that hold a slot have not started, by the reason."""


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """All that the plan of a run may look at."""

    run: FlowRun
    flow: Flow | Malformed | None
    pool: WorkPool | Malformed | None
    """The WorkPool that `names.pool_name(run, flow)` names."""
    jobs: tuple[JobView, ...] = ()
    """All Jobs with the run's label; the plan leaves those of another owner alone."""
    signals: tuple[SignalView, ...] = ()
    """The Pending signals that name the run."""
    relatives: Mapping[str, RunView | None] = field(default_factory=dict)
    """Runs that matter to this one, by name: the unfinished ones of the cache, and all others that
    were looked for; None is a run that does not exist."""
    heads: Mapping[str, RunView] = field(default_factory=dict)
    """The unfinished runs that go on from this one, or from one of its relatives, by the name of
    the first run of their chain."""
    journals_are_full: bool = False
    """Whether the journals of the namespace take as much as they may."""
    jobs_are_live: bool = False
    """Whether `jobs` was read from the API server for this plan, not from the cache."""
    source: ConfigMapView | NotLooked | None = NOT_LOOKED
    snapshot: ConfigMapView | NotLooked | None = NOT_LOOKED
    pods: tuple[PodView, ...] | NotLooked = NOT_LOOKED
    events: tuple[EventView, ...] | NotLooked = NOT_LOOKED
    image_id: str | NotLooked = NOT_LOOKED
    """Empty if the pod is gone, or its node has not told."""
    refusal: Refusal | None = None
    slot: Slot | NotLooked = NOT_LOOKED
    limits: Mapping[str, LimitView] = field(default_factory=dict)
    """The ConcurrencyLimits that the flow names, and those in whose status the run is."""
    limits_are_live: bool = False
    """Whether `limits` was read from the API server for this plan, not from the cache."""
    is_superseded: bool = False
    """Whether newer runs of its flow are to run in its stead."""


@dataclass(frozen=True, slots=True)
class ObservedFlow:
    """All that the plan of a Flow may look at."""

    flow: Flow | Malformed
    pool: WorkPool | Malformed | None
    source: ConfigMapView | NotLooked | None = NOT_LOOKED


@dataclass(frozen=True, slots=True)
class BindingView:
    """A RoleBinding: the ClusterRole that it grants, and the ServiceAccounts of its own namespace
    that get it."""

    name: str
    role: str
    service_accounts: frozenset[str]


@dataclass(frozen=True, slots=True)
class RunnerAccess:
    """Which of a namespace's runner accounts and bindings exist."""

    service_accounts: frozenset[str] = frozenset()
    bindings: tuple[BindingView, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedPool:
    """All that the plan of a WorkPool may look at."""

    pool: WorkPool | Malformed
    access: RunnerAccess | NotLooked = NOT_LOOKED
    unreadable: str | NotLooked = NOT_LOOKED
    """What the API server cannot read of the pod template, in its words; empty if all."""
    use: PoolUse = PoolUse()


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
