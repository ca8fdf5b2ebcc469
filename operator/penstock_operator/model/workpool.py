"""WorkPool: where and how runs launch."""

from pydantic import Field

from penstock_operator.model.meta import Conditions, ObjectMeta
from penstock_operator.model.pods import Labels, PoolPodTemplate
from penstock_operator.model.schema import Generation, ImageName, Part, PositiveSeconds, Seconds
from penstock_operator.model.store import Store


class JobSettings(Part):
    """Settings of the Jobs that run the pool's flows."""

    ttl_seconds_after_finished: Seconds = 3600
    """How long a finished Job, with its pod and the pod's logs, is kept."""

    active_deadline_seconds: PositiveSeconds | None = None
    """How long one Job may be active before Kubernetes ends it."""

    labels: Labels | None = None
    """Labels added to each Job, for example for a quota system."""


class WorkPoolSpec(Part):
    """How the pool launches runs."""

    pod_template: PoolPodTemplate | None = None
    """Template of the pods. It belongs to the people who run the platform and may hold whatever a
    pod may. A Flow's template takes precedence over it, but may hold less."""

    image: ImageName | None = None
    """Image of the flow's container where the Flow names none."""

    suspend: bool = False
    """Whether new runs wait. Runs that have started go on."""

    store: Store | None = None
    """Where journals and results of the pool's runs are kept, instead of in JournalSegments."""

    job: JobSettings = Field(default=JobSettings())
    """Settings of the Jobs."""


class WorkPoolStatus(Part):
    """What the operator knows about the pool."""

    observed_generation: Generation = -1
    """The generation of the WorkPool that this status is about."""

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
