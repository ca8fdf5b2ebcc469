"""FlowRun.status.execution: what the runner reports.

The runner lives in the user's image and may be older or newer than the operator, and the pod may be
hostile: what is known is bounded by the schema and read with mistrust. What is not known is kept,
because server-side apply answers it with an internal error, and a newer runner's protocol number
would never be read.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from penstock_operator.model.schema import (
    Answer,
    Count,
    FreeObject,
    Part,
    SignalName,
    Timestamp,
    must,
    refuse_unless,
)

Name = Annotated[str, Field(max_length=128)]
Word = Annotated[str, Field(max_length=64)]
Message = Annotated[str, Field(max_length=512)]
Duration = Annotated[float, Field(ge=0)]

OutcomeState = Literal["Completed", "Failed", "Crashed", "Cancelled"]


class TaskCount(Part):
    """The runs of one task."""

    name: Name
    """Name of the task."""

    total: Count = 0
    """How many of its runs are known."""

    completed: Count = 0
    """How many have completed."""

    running: Count = 0
    """How many are running."""

    failed: Count = 0
    """How many have failed."""

    cancelled: Count = 0
    """How many were cancelled."""


class RecentTaskRun(Part):
    """A task run that changed lately."""

    name: Name
    """Name of the task run."""

    state: Word
    """Its state."""

    at: Timestamp
    """When it entered that state."""

    duration_seconds: Duration | None = None
    """How long it ran."""

    message: Message | None = None
    """What went wrong, if anything; of one that runs, its last heartbeat."""


class ArtifactEntry(Part):
    """An artifact that the run has kept, without its data."""

    key: Annotated[str, Field(max_length=200)] | None = None
    """What names the artifact over runs."""

    type: Word | None = None
    """What it is: markdown, table, link, image, progress."""

    description: Annotated[str, Field(max_length=256)] | None = None
    """What it is about."""

    at: Timestamp
    """When it was kept, or updated."""

    task_run: Name | None = None
    """The task run that made it; none if the flow itself did."""

    preview: Annotated[str, Field(max_length=256)] | None = None
    """Beginning of its data."""


class EventEntry(Part):
    """An event that the run has emitted."""

    event: Name
    """What happened."""

    resource: Name | None = None
    """Identifier of what it happened to."""

    at: Timestamp
    """When it happened."""

    task_run: Name | None = None
    """The task run that told of it; none if the flow itself did."""


class Events(Part):
    """The events of the run."""

    count: Count = 0
    """How many it has emitted."""

    recent: Annotated[
        tuple[EventEntry, ...],
        Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The last ones."""


class FlowError(Part):
    """The exception that ended the flow."""

    type: Name
    """Class of the exception."""

    message: Annotated[str, Field(max_length=2048)] = ""
    """Its text."""

    traceback: Annotated[str, Field(max_length=8192)] | None = None
    """Where it was raised, from the flow's own frames."""


class Result(Part):
    """What the flow returned."""

    type: Name
    """Type of the result."""

    preview: Annotated[str, Field(max_length=1024)] | None = None
    """Beginning of the result. Shown only if the flow asks for it."""


class Outcome(Part):
    """The final report."""

    state: OutcomeState
    """How the attempt ended."""

    reason: Annotated[str, Field(max_length=64, pattern="^[A-Z][A-Za-z]*$")]
    """One CamelCase word for the cause."""

    message: Annotated[str, Field(max_length=2048)] = ""
    """A sentence for people."""

    finished_at: Timestamp
    """When the flow ended."""

    continued_as: Annotated[str, Field(max_length=52)] | None = None
    """The run that goes on in its place; it starts once this outcome is accepted."""


class Suspension(Part):
    """Why the attempt has left its pod although the flow has not ended."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "has(self.until) || !(self.kind in ['Sleep', 'RetryDelay'])",
                "A sleep and a retry delay say until when they last.",
            ),
            must(
                "has(self.name) || !(self.kind in ['Signal', 'Run', 'ConcurrencyLimit'])",
                "A wait for a signal, a run or a limit says its name.",
            ),
            must(
                "has(self.reason) || self.kind != 'Person'",
                "A wait for a person says for what reason.",
            ),
        )
    )

    kind: Literal["Sleep", "Signal", "RetryDelay", "Run", "Suspend", "Person", "ConcurrencyLimit"]
    """What the run waits for. Suspend: spec.suspend of the run was true. Person: somebody has to
    mend something."""

    reason: Annotated[str, Field(max_length=64, pattern="^[A-Z][A-Za-z]*$")] | None = None
    """One CamelCase word for what a person has to mend."""

    name: Annotated[str, Field(max_length=128)] | None = None
    """Of what is waited for: a signal, a task, a run, or what a sleep was called."""

    since: Timestamp
    """When the attempt began to wait, by its own clock."""

    until: Timestamp | None = None
    """When the run is due again, by the runner's clock: the earliest of its deadlines."""

    signals: Annotated[
        tuple[SignalName, ...],
        Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Names of the signals that wake the run, if there are others than the one in name."""

    runs: Annotated[
        tuple[Annotated[str, Field(max_length=52)], ...],
        Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Names of the runs whose end wakes the run, if there are others than the one in name."""
    payload_schema: FreeObject | None = None
    """JSON Schema of what the signal in name may say, where the flow names a small type."""

    message: Message | None = None
    """A sentence for people."""


class Journal(Part):
    """The run's journal, as far as it has come."""

    entries: Count = 0
    """How many results, failures and waits it holds, of all attempts."""

    bytes: Annotated[int, Field(ge=0, le=2**53)] = 0
    """How much it holds of the run's values."""

    unstored: Count | None = None
    """How many results of this attempt could not be stored: their tasks run again if the run is
    launched again."""

    unstored_task: Name | None = None
    """The task of the last of them."""

    code_changed: bool | None = None
    """Whether this attempt goes on with other code than the one before."""

    rollbacks_owed: bool | None = None
    """Whether the run has roll-backs to call if it ends now."""


class SettledSignal(Part):
    """What the run made of a Signal."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the Signal object."""

    state: Literal["Received", "Consumed", "Rejected"]
    """What became of it. Received: the run has it and owes an answer."""

    message: Message | None = None
    """Why it was rejected."""

    answer: Answer = None
    """What the run answers."""


class Execution(Part):
    """What the pod of the current attempt reports. Only that pod can write it."""

    model_config = ConfigDict(
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True, "maxProperties": 32}
    )

    protocol: Annotated[int, Field(ge=1, le=1000)]
    """Version of the form of this report."""

    attempt: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """The attempt that reports."""

    pod_name: Annotated[
        str,
        Field(validation_alias="podName", serialization_alias="podName", max_length=63),
    ]
    """The pod that reports."""

    pod_uid: Annotated[
        str,
        Field(validation_alias="podUID", serialization_alias="podUID", max_length=64),
    ]
    """Unique identifier of the pod: the first pod of an attempt wins."""

    started_at: Timestamp | None = None
    """When the runner started."""

    updated_at: Timestamp | None = None
    """When the runner wrote this report."""

    progress: Annotated[str, Field(max_length=32)] | None = None
    """Finished and known task runs, for example 3/7."""

    counts: Annotated[dict[str, Count], Field(max_length=16)] = Field(default_factory=dict)
    """Number of task runs by state."""

    tasks: Annotated[
        tuple[TaskCount, ...],
        Field(max_length=50, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The tasks by name, with counts."""

    recent: Annotated[
        tuple[RecentTaskRun, ...],
        Field(max_length=20, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The task runs that changed last."""

    artifact_count: Count | None = None
    """How many artifacts the run has kept."""

    artifacts: Annotated[
        tuple[ArtifactEntry, ...],
        Field(max_length=50, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The artifacts that were kept last, one for each key."""

    events: Events | None = None
    """The events that the run has emitted."""

    values: FreeObject = Field(default_factory=dict)
    """What the flow has published, by key: set_state_value()."""

    unshown_values: Count | None = None
    """How many more it has published, for which there is no room here."""

    journal: Journal | None = None
    """What the journal tells of itself."""

    error: FlowError | None = None
    """The exception that ended the flow."""

    result: Result | None = None
    """What the flow returned."""

    signals: Annotated[
        tuple[SettledSignal, ...],
        Field(max_length=50, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Signals that the run has taken or refused, as long as their own status does not say so."""

    awaited_signals: Annotated[
        tuple[Name, ...],
        Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Signals that the run waits for in its pod."""

    suspension: Suspension | None = None
    """The last report of an attempt that left its pod to wait without one."""

    outcome: Outcome | None = None
    """The final report of this attempt."""
