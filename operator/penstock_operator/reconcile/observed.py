"""What the plans look at: filled by `app` from its caches, and by `kube` where a plan asks it to.

`NOT_LOOKED` tells a look-up that was not made from one that found nothing. A plan that needs it
returns no actions but `Plan.need`; the caller makes the look-ups and plans again at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto

from penstock.concurrency.book import Key
from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile.views import (
    BindingView,
    ConfigMapView,
    EventView,
    JobView,
    LimitView,
    Malformed,
    PodView,
    RunView,
    SignalView,
)


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
    is_kept: bool = False
    """Whether the run was granted it before, and keeps it until it has the other slots."""


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
