"""WorkPool: where and how runs launch."""

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from penstock_operator.model.meta import Conditions, ObjectMeta
from penstock_operator.model.pods import Labels, PoolPodTemplate
from penstock_operator.model.schema import (
    Count,
    Generation,
    ImageName,
    ObjectName,
    Part,
    PositiveSeconds,
    Seconds,
    listed_by,
)
from penstock_operator.model.store import Store


class JobSettings(Part):
    """Settings of the Jobs that run the pool's flows."""

    ttl_seconds_after_finished: Seconds = 3600
    """How long a finished Job, with its pod and the pod's logs, is kept."""

    active_deadline_seconds: PositiveSeconds | None = None
    """How long one Job may be active before Kubernetes ends it."""

    labels: Labels | None = None
    """Labels added to each Job, for example for a quota system."""


class Queue(Part):
    """A line in which runs wait for a slot of the pool."""

    name: ObjectName
    """Its name, for spec.queue of runs."""

    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Runs of queues with a higher one go first."""

    concurrency: Count | None = None
    """How many runs of the queue may be at work at once. Without it only the pool's number counts.
    """


class WorkPoolSpec(Part):
    """How the pool launches runs."""

    pod_template: PoolPodTemplate | None = None
    """Template of the pods. It belongs to the people who run the platform and may hold whatever a
    pod may. A Flow's template takes precedence over it, but may hold less."""

    image: ImageName | None = None
    """Image of the flow's container where the Flow names none."""

    concurrency: Count | None = None
    """How many runs may be at work at once; others wait. Without it there is no limit. A run that
    waits without a pod takes no slot. kubectl scale changes it."""

    queues: Annotated[
        tuple[Queue, ...],
        Field(
            max_length=32,
            json_schema_extra=listed_by("name"),
        ),
    ] = ()
    """The lines in which runs wait. The one named default is always there."""

    suspend: Annotated[
        bool | Literal["Running"],
        WithJsonSchema(
            {"enum": [False, True, "Running"], "x-kubernetes-preserve-unknown-fields": True}
        ),
    ] = False
    """With true new runs wait, and those that have started go on. With Running these are suspended
    too, and go on when it is false again."""

    store: Store | None = None
    """Where journals and results of the pool's runs are kept, instead of in JournalSegments."""

    job: JobSettings = Field(default=JobSettings())
    """Settings of the Jobs."""


class QueueStatus(Part):
    """How a queue stands."""

    name: ObjectName
    """Its name."""

    active: Count = 0
    """How many of its runs are at work."""

    queued: Count = 0
    """How many wait for a slot."""


class WorkPoolStatus(Part):
    """What the operator knows about the pool."""

    observed_generation: Generation = -1
    """The generation of the WorkPool that this status is about."""

    active: Count | None = None
    """How many runs are at work, where the pool has a limit or queues."""

    queued: Count | None = None
    """How many wait for a slot."""

    oldest_wait_seconds: Count | None = None
    """For how long the oldest of them had waited when this was written."""

    queues: Annotated[
        tuple[QueueStatus, ...],
        Field(
            max_length=33,
            json_schema_extra=listed_by("name"),
        ),
    ] = ()
    """The same by queue."""

    conditions: Conditions = ()
    """Ready tells whether runs can launch; Stalled says what a person must mend."""


class WorkPool(Part):
    """Where and how the runs of a namespace launch. Flows that name no pool use the one named
    default."""

    metadata: ObjectMeta
    spec: WorkPoolSpec = Field(default_factory=WorkPoolSpec)
    """How the pool launches runs."""

    status: WorkPoolStatus = Field(default=WorkPoolStatus())
    """What the operator knows about the pool."""
