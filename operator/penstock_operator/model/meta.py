"""What all kinds have in common: metadata, references by name, and conditions."""

from typing import Annotated

from pydantic import Field

from penstock_operator.model.schema import (
    ForeignName,
    Generation,
    ObjectName,
    Part,
    Sentence,
    Timestamp,
    listed_by,
)
from penstock_operator.model.states import ConditionStatus, ConditionType


class ObjectMeta(Part):
    """The part of an object's metadata that the operator reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class FlowRef(Part):
    """Names a Flow of the same namespace."""

    name: ObjectName
    """Name of the Flow."""


class FlowRunRef(Part):
    """Names a FlowRun of the same namespace."""

    name: ObjectName
    """Name of the FlowRun."""


class WorkPoolRef(Part):
    """Names a WorkPool of the same namespace."""

    name: ObjectName
    """Name of the WorkPool."""


class SecretRef(Part):
    """Names a Secret of the same namespace."""

    name: ForeignName
    """Name of the Secret."""


class ConfigMapRef(Part):
    """Names a ConfigMap of the same namespace."""

    name: ForeignName
    """Name of the ConfigMap."""


class Condition(Part):
    """One answer about the object, in the form that kubectl wait and GitOps tools read."""

    # Known from every kind of Kubernetes; five definitions would repeat what is said of them.
    type: ConditionType
    status: ConditionStatus
    observed_generation: Generation | None = None
    last_transition_time: Timestamp
    reason: Annotated[str, Field(min_length=1, max_length=128)]
    message: Sentence = ""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=8,
        json_schema_extra=listed_by("type"),
    ),
]
