"""FlowRun: one run of a flow."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from penstock_operator.model.execution import Execution
from penstock_operator.model.meta import Conditions, FlowRef, ObjectMeta
from penstock_operator.model.schema import (
    Count,
    FreeObject,
    Generation,
    ImageName,
    ObjectName,
    Part,
    PositiveSeconds,
    Sentence,
    Timestamp,
    must,
    refuse_unless,
)
from penstock_operator.model.states import TERMINAL_STATES, Reason, State, WaitKind
from penstock_operator.model.store import StoreName

MAX_IMAGE_ID = 1024
_TERMINAL = "[" + ", ".join(f"'{state}'" for state in TERMINAL_STATES) + "]"


def _known_reason(value: object) -> object:
    """Read a reason of a newer operator, met after a rollback, as no reason."""
    return value if value in {str(reason) for reason in Reason} else None


class RerunOf(Part):
    """The run with whose journal a run begins."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "has(self.task) == (self.from == 'Task')",
                "A rerun names a task if it begins from: Task, and only then.",
            )
        )
    )

    name: ObjectName
    """A run of the same Flow that has ended."""

    from_: Annotated[
        Literal["Failure", "Start", "Task"],
        Field(validation_alias="from", serialization_alias="from"),
    ] = "Failure"
    """What is done again. Failure: what had failed, or had not been done. Start: everything, with
    the parameters of that run. Task: a task and what was stored after its first result."""

    task: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Name or task_key of that task."""


class Resume(Part):
    """A person's word that a run goes on which waits for that."""

    attempt: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """The attempt that told what has to be mended. A problem of a later one needs a new word."""

    accept: bool = False
    """Whether the run goes on although its flow no longer makes the calls that it made."""


class ParentRef(Part):
    """The run that started a run, and what its end means for that."""

    name: ObjectName
    """Name of the parent, of the same namespace."""

    uid: Annotated[str, Field(min_length=1, max_length=64)]
    """Its unique identifier: a later run of the same name is another parent."""

    close_policy: Literal["Cancel", "Abandon"] = "Cancel"
    """What becomes of this run when its parent ends or is cancelled: it is cancelled, or goes on.
    """


class ContinuedFrom(Part):
    """The run that a run goes on from, in a chain of runs that do not end."""

    name: ObjectName
    """Name of the run before, of the same namespace and Flow."""

    uid: Annotated[str, Field(min_length=1, max_length=64)]
    """Its unique identifier."""

    first: ObjectName
    """Name of the first run of the chain: signals to it reach the last."""


class FlowRunSpec(Part):
    """What is run. Only priority, suspend, resume and cancel can be changed afterwards."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "self.flowRef == oldSelf.flowRef"
                " && has(self.parameters) == has(oldSelf.parameters)"
                " && (!has(self.parameters) || self.parameters == oldSelf.parameters)"
                " && has(self.timeoutSeconds) == has(oldSelf.timeoutSeconds)"
                " && (!has(self.timeoutSeconds) || self.timeoutSeconds == oldSelf.timeoutSeconds)"
                " && has(self.parentRef) == has(oldSelf.parentRef)"
                " && (!has(self.parentRef) || self.parentRef == oldSelf.parentRef)"
                " && has(self.continuedFrom) == has(oldSelf.continuedFrom)"
                " && (!has(self.continuedFrom) || self.continuedFrom == oldSelf.continuedFrom)"
                " && has(self.rerunOf) == has(oldSelf.rerunOf)"
                " && (!has(self.rerunOf) || self.rerunOf == oldSelf.rerunOf)"
                " && has(self.queue) == has(oldSelf.queue)"
                " && (!has(self.queue) || self.queue == oldSelf.queue)",
                "A run's spec cannot be changed, except to suspend, resume, cancel or reprioritise"
                " it; create another run.",
            ),
            must(
                "!oldSelf.cancel || self.cancel",
                "A cancelled run stays cancelled; create another run.",
            ),
        )
    )

    flow_ref: FlowRef
    """The Flow to run, of the same namespace."""

    parameters: FreeObject | None = None
    """Parameters of the flow function by name. They take precedence over the Flow's."""

    timeout_seconds: PositiveSeconds | None = None
    """How long the run may take from its first start, waits and relaunches included. Replaces the
    Flow's limit."""

    parent_ref: ParentRef | None = None
    """The run that has started this one, as run_flow does."""

    continued_from: ContinuedFrom | None = None
    """The run that goes on as this one, as continue_as_new lets it."""

    rerun_of: RerunOf | None = None
    """Begins the run with what another one has stored. Its parameters are those of that run, but
    for those that are given here."""

    queue: ObjectName | None = None
    """The queue of its WorkPool in which the run waits for a slot. Without it: the Flow's."""

    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Runs of a higher one go first in their queue. Among equals the oldest does."""

    suspend: bool = False
    """Set it to true to let the run leave its pod, and to false to let it go on. Nothing is undone:
    what has finished stays finished."""

    resume: Resume | None = None
    """Lets a run go on that waits for a person (waitingFor.kind: Person)."""

    cancel: bool = False
    """Set it to true to cancel the run. It cannot be taken back."""


class WaitingFor(Part):
    """Why a run is not running."""

    kind: WaitKind
    """What is waited for."""

    name: Annotated[str, Field(max_length=512)] | None = None
    """Its name."""

    ahead: Count | None = None
    """How many runs are to get a slot before. It is written anew now and then."""

    since: Timestamp
    """Since when the run waits for it."""

    until: Timestamp | None = None
    """When the wait ends: a suspended run goes on then, one that cannot start fails."""

    payload_schema: FreeObject | None = None
    """JSON Schema of what the signal may say, where the flow names a small type."""


class Ending(Part):
    """The end that a run comes to, once its last launch has called its roll-backs."""

    state: State
    """Cancelled or Crashed."""

    reason: Reason
    """Why."""

    message: Sentence
    """The same in a sentence."""

    until: Timestamp
    """When the run ends at the latest, whatever becomes of the launch."""


class FlowRunStatus(Part):
    """How the run stands. The operator writes it, but for execution, which the run's pod writes."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                f"!has(oldSelf.state) || !(oldSelf.state in {_TERMINAL})"
                " || (has(self.state) && self.state == oldSelf.state)",
                "A finished run keeps its state; create another run.",
            ),
            must(
                "!has(oldSelf.attempt) || (has(self.attempt) && self.attempt >= oldSelf.attempt)",
                "The number of attempts of a run never falls.",
            ),
        )
    )

    observed_generation: Generation = -1
    """The generation of the FlowRun that this status is about."""

    state: State | None = None
    """Where the run stands. Completed, Failed, Crashed and Cancelled are final."""

    reason: Annotated[Reason | None, BeforeValidator(_known_reason)] = None
    """Why it stands there, in one CamelCase word."""

    message: Sentence | None = None
    """The same in a sentence, which says what to do next."""

    attempt: Count = 0
    """Number of the current attempt. Reports of older attempts are refused."""

    recoveries: Count = 0
    """How often the run was launched again after a loss. Waits do not count."""

    crashes: Count = 0
    """How many launches in a row have ended by a crash of the process itself, without an entry more
    in the journal."""

    journal_entries: Count = 0
    """How many entries the journal had when the last of them crashed."""

    job_name: Annotated[str, Field(max_length=63)] | None = None
    """The Job of the current attempt."""

    code_version: Annotated[str, Field(max_length=64)] | None = None
    """Hash of the code and settings that all attempts of this run use."""

    image: ImageName | None = None
    """Image of the flow's container."""

    image_id: Annotated[
        str | None,
        Field(validation_alias="imageID", serialization_alias="imageID", max_length=MAX_IMAGE_ID),
    ] = None
    """What its node found under that name when the run began, for example NAME@sha256:…. It is
    there once an attempt is over."""

    last_image_id: Annotated[
        str | None,
        Field(
            validation_alias="lastImageID",
            serialization_alias="lastImageID",
            max_length=MAX_IMAGE_ID,
        ),
    ] = None
    """The same of the latest attempt that ran another one."""

    work_pool: Annotated[str, Field(max_length=52)] | None = None
    """The WorkPool that launches the run."""

    store: StoreName | None = None
    """The store that has the run's journal, if it is in one: its WorkPool may not change that."""

    queued_at: Timestamp | None = None
    """When the run was accepted."""

    started_at: Timestamp | None = None
    """When its runner first reported."""

    finished_at: Timestamp | None = None
    """When it ended."""

    duration: Annotated[str, Field(max_length=32)] | None = None
    """Time from start to end, for example 3m12s."""

    continued_as: Annotated[str, Field(max_length=52)] | None = None
    """The run that this one goes on as, if it ended for that."""

    waiting_for: WaitingFor | None = None
    """Why the run is not running."""

    ending: Ending | None = None
    """Set for the last launch of a run that has ended but for its roll-backs."""

    conditions: Conditions = ()
    """Succeeded is True or False when the run has ended; Stalled says what a person must mend."""

    execution: Annotated[
        Execution | None, Field(json_schema_extra={"x-kubernetes-map-type": "atomic"})
    ] = None
    """What the pod of the current attempt reports. No other pod can write it."""


class FlowRun(Part):
    """One run of a Flow: parameters in, state and progress out."""

    metadata: ObjectMeta
    spec: FlowRunSpec
    """What is run. Only priority, suspend, resume and cancel can be changed afterwards."""

    status: FlowRunStatus = Field(default=FlowRunStatus())
    """How the run stands. The operator writes it, but for execution, which the run's pod writes."""
