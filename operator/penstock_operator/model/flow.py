"""Flow: what to run."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from penstock_operator.model.meta import Conditions, ConfigMapRef, ObjectMeta, WorkPoolRef
from penstock_operator.model.pods import Environment, FlowPodTemplate, Resources
from penstock_operator.model.schema import (
    Count,
    FreeObject,
    Generation,
    ImageName,
    ObjectName,
    Part,
    PositiveSeconds,
    Seconds,
    listed_by,
    must,
    refuse_unless,
)

MAX_INLINE_BYTES = 128 * 1024
"""Client-side `kubectl apply` keeps a second copy in an annotation, which is limited to 256 KiB."""

_IDENTIFIER = r"[\\pL_][\\pL\\pN_]*"


class ImageSource(Part):
    """The code is in the image. It has no fields."""


class InlineSource(Part):
    """The code is in the Flow itself."""

    files: Annotated[
        dict[str, Annotated[str, Field(max_length=MAX_INLINE_BYTES)]],
        Field(
            min_length=1,
            max_length=64,
            json_schema_extra=refuse_unless(
                must(
                    "self.all(path, path.size() <= 253 && path.matches('^[^/]+(/[^/]+)*$')"
                    r" && !path.matches('(^|/)\\.\\.?(/|$)'))",
                    "The path of an inline file is relative, has at most 253 characters, and has no"
                    " part that is empty, '.' or '..'.",
                ),
                must(
                    "self.map(path, size(bytes(self[path]))).sum() <= " + str(MAX_INLINE_BYTES),
                    "Inline files hold at most 128 KiB in all; put larger code into a ConfigMap or"
                    " an image.",
                ),
            ),
        ),
    ]
    """The files by their relative paths, for example flow.py. At most 128 KiB in all."""


class Source(Part):
    """Where the flow's code is. Exactly one of its fields is set."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "[has(self.image), has(self.inline), has(self.configMap)].filter(x, x).size() == 1",
                "Set exactly one of image, inline and configMap in source.",
            )
        )
    )

    image: ImageSource | None = None
    """The code is in the image. Write image: {}."""

    inline: InlineSource | None = None
    """The code is written here, in the Flow itself."""

    config_map: ConfigMapRef | None = None
    """The code is in a ConfigMap of the same namespace; each key is a file."""


class History(Part):
    """How many finished runs are kept, and for how long."""

    successful_runs: Count = 10
    """How many Completed runs are kept, of each Schedule and of all others."""

    failed_runs: Count = 10
    """How many Failed, Crashed and Cancelled runs are kept, likewise."""

    ttl_seconds_after_finished: Seconds | None = None
    """How long a finished run is kept at most. Without it, only the numbers count."""


class Concurrency(Part):
    """How many runs of the flow may be at work at once, and what becomes of one more."""

    limit: Count
    """The number. A run that waits without a pod does not count."""

    strategy: Literal["Enqueue", "CancelNew", "CancelRunning"] = "Enqueue"
    """Enqueue: it waits. CancelNew: it is cancelled. CancelRunning: the oldest ones are cancelled,
    and it starts when they are gone."""


class SharedSlots(Part):
    """Slots of a ConcurrencyLimit."""

    name: ObjectName
    """Name of the ConcurrencyLimit."""

    occupy: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1
    """How many slots a run takes."""


class FlowSpec(Part):
    """What a flow runs, and the defaults of its runs."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "!has(self.source) || !has(self.source.inline) || !self.entrypoint.contains('.py:')"
                " || self.entrypoint.split(':')[0] in self.source.inline.files",
                "The entrypoint names a file that is not among the inline files of source.",
            )
        )
    )

    # No default in the schema: a merge patch would add the chosen source to the default one.
    source: Source = Field(default_factory=lambda: Source(image=ImageSource()))
    """Where the code is: image, inline or configMap. Without it the code is in the image."""

    entrypoint: Annotated[
        str,
        Field(
            min_length=1,
            max_length=512,
            json_schema_extra=refuse_unless(
                must(
                    rf"self.matches('^([^:]*/)?[^:/]+\\.py:{_IDENTIFIER}$')"
                    rf" || self.matches('^{_IDENTIFIER}(\\.{_IDENTIFIER})*:{_IDENTIFIER}$')",
                    "Write the entrypoint as path/to/file.py:function or package.module:function.",
                ),
                must(
                    r"!self.matches('(^|/)\\.\\./')",
                    "The entrypoint's path cannot leave its folder by '..'.",
                ),
            ),
        ),
    ]
    """The flow function, as path/to/file.py:function or package.module:function."""

    image: ImageName | None = None
    """Image of the flow's container. Without it the WorkPool's image is used, and, where the code
    does not come from the image, the runner image of this installation."""

    work_pool_ref: WorkPoolRef = Field(default=WorkPoolRef(name="default"))
    """The WorkPool that launches the runs."""

    queue: ObjectName | None = None
    """The queue of the pool for runs that name none. Without it: default."""

    concurrency: Concurrency | None = None
    """A limit of the flow's own, beside the pool's."""

    concurrency_limits: Annotated[
        tuple[SharedSlots, ...],
        Field(
            max_length=8,
            json_schema_extra=listed_by("name"),
        ),
    ] = ()
    """ConcurrencyLimits whose slots a run holds while it is at work."""

    parameters: FreeObject | None = None
    """Default parameters of the flow function, by name. A run's own take precedence."""

    parameter_schema: FreeObject | None = None
    """JSON Schema of all parameters together. A run whose parameters do not fit fails before any
    pod is started. `penstock render` makes it from the type hints."""

    retries: Count | None = None
    """How often the flow function is run again after an exception. Replaces the number in the
    decorator."""

    retry_delay_seconds: Annotated[float, Field(ge=0, le=2**31 - 1)] | None = None
    """Seconds between two tries. Replaces the number in the decorator."""

    timeout_seconds: PositiveSeconds | None = None
    """How long a run may take from its first start, waits and relaunches included. Without it there
    is no limit."""

    max_recoveries: Count = 10
    """How often a run is launched again after its pod was lost, evicted or killed, before it ends
    as Crashed."""

    env: Environment = ()
    """Environment variables of the flow's container."""

    resources: Resources | None = None
    """Resources of the flow's container."""

    pod_template: FlowPodTemplate | None = None
    """What is added to the pods of the runs. It takes precedence over the WorkPool's template."""

    history: History = Field(default=History())
    """Which finished runs are kept."""

    suspend: bool = False
    """Whether new runs wait. Runs that have started go on."""


class FlowStatus(Part):
    """What the operator knows about the flow."""

    observed_generation: Generation = -1
    """The generation of the Flow that this status is about."""

    code_version: Annotated[str, Field(max_length=64)] | None = None
    """Hash of the code and settings that the next run starts with."""

    conditions: Conditions = ()
    """Ready tells whether runs can start; Stalled says what a person must mend."""


class Flow(Part):
    """A Python function that runs as a pod, with its code, its parameters and the defaults of its
    runs."""

    metadata: ObjectMeta
    spec: FlowSpec
    """What to run."""

    status: FlowStatus = Field(default=FlowStatus())
    """What the operator knows about the flow."""
