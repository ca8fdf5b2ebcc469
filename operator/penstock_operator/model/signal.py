"""Signal: a message or an approval for a run, from a sender that the API server has verified."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from penstock_operator.model.meta import FlowRunRef, ObjectMeta
from penstock_operator.model.schema import (
    Answer,
    Part,
    Sentence,
    SignalName,
    must,
    refuse_unless,
)
from penstock_operator.model.states import SignalState

LARGEST_PAYLOAD = 16 * 1024
"""Bytes of JSON. The API server bounds the outermost value alone, the operator all of it."""

_Sender = Annotated[str, Field(min_length=1, max_length=256)]


class SignalSpec(Part):
    """What is said, to whom, and by whom. It cannot be changed."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must("self == oldSelf", "A signal cannot be changed; send another one.")
        )
    )

    flow_run_ref: FlowRunRef
    """The run that is meant."""

    name: SignalName
    """What the run waits for: wait_for_signal(name)."""

    payload: Annotated[
        Any,
        Field(
            json_schema_extra={
                "x-kubernetes-preserve-unknown-fields": True,
                "maxLength": LARGEST_PAYLOAD,
                "maxItems": 4096,
                "maxProperties": 1024,
            }
        ),
    ] = None
    """Any JSON of at most 16 KiB."""

    sender: _Sender
    """Who sends it: your own name, as kubectl auth whoami tells it. The API server refuses any
    other."""

    sender_groups: Annotated[
        tuple[_Sender, ...],
        Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Groups of the sender that matter to the run. The API server refuses those that are not the
    sender's."""

    idempotency_key: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Of several signals of one name with the same key, a run takes the first."""


class SignalStatus(Part):
    """What became of the signal. The operator writes it."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "!has(oldSelf.state) || oldSelf.state == 'Pending'"
                " || (has(self.state) && self.state == oldSelf.state)",
                "A signal that was consumed or rejected stays so; send another one.",
            ),
        )
    )

    state: SignalState | None = None
    """Pending until the run has taken it (Consumed) or it was refused (Rejected)."""

    message: Sentence | None = None
    """Why it was rejected."""

    answer: Answer = None
    """What the run answered, at most 4 KiB, if it was waiting for an update."""

    forwarded_to: Annotated[str, Field(max_length=52)] | None = None
    """The run that goes on from the one that was meant, and gets the signal in its place."""

    flow_run_uid: Annotated[
        str | None,
        Field(validation_alias="flowRunUID", serialization_alias="flowRunUID", max_length=64),
    ] = None
    """The very run that it is for; a later run of the same name does not get it."""


class Signal(Part):
    """A message for one run, kept until that run is deleted."""

    metadata: ObjectMeta
    spec: SignalSpec
    """What is said, to whom, and by whom. It cannot be changed."""

    status: SignalStatus = Field(default=SignalStatus(state=SignalState.PENDING))
    """What became of the signal. The operator writes it."""
