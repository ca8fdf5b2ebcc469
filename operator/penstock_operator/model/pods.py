"""The parts of a pod that a Flow or a WorkPool may say something about."""

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue

from penstock_operator.model.schema import (
    ForeignName,
    FreeObject,
    JsonObject,
    Part,
    Quantity,
    listed_by,
    must,
    refuse_unless,
)

Text = Annotated[str, Field(max_length=253)]


class ConfigMapKey(Part):
    """One key of a ConfigMap of the same namespace."""

    name: ForeignName
    """Name of the ConfigMap."""

    key: Text
    """The key whose value is taken."""

    optional: bool | None = None
    """Whether the pod starts although the ConfigMap or its key is missing."""


class SecretKey(Part):
    """One key of a Secret of the same namespace."""

    name: ForeignName
    """Name of the Secret."""

    key: Text
    """The key whose value is taken."""

    optional: bool | None = None
    """Whether the pod starts although the Secret or its key is missing."""


class PodField(Part):
    """A field of the pod itself."""

    api_version: Text | None = None
    """Version of the schema that the path is written in; v1 unless given."""

    field_path: Text
    """Path of the field, for example metadata.name or status.hostIP."""


class ContainerResource(Part):
    """A resource of a container of the pod."""

    resource: Text
    """The resource, for example limits.memory."""

    container_name: Text | None = None
    """The container; the flow's own unless given."""

    divisor: Quantity | None = None
    """The unit in which the value is given; 1 unless given."""


class EnvVarSource(Part):
    """Where the value of an environment variable comes from. Exactly one field is set."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "[has(self.configMapKeyRef), has(self.secretKeyRef), has(self.fieldRef),"
                " has(self.resourceFieldRef)].filter(x, x).size() == 1",
                "Set exactly one of configMapKeyRef, secretKeyRef, fieldRef and resourceFieldRef.",
            )
        )
    )

    config_map_key_ref: ConfigMapKey | None = None
    """A key of a ConfigMap."""

    secret_key_ref: SecretKey | None = None
    """A key of a Secret."""

    field_ref: PodField | None = None
    """A field of the pod."""

    resource_field_ref: ContainerResource | None = None
    """A resource of a container."""


SETTINGS = ("PENSTOCK_RESULT_PREVIEW", "PENSTOCK_LINGER_SECONDS", "PENSTOCK_CODEC")
"""Variables of the runner's that a Flow may set."""


class EnvVar(Part):
    """One environment variable of the flow's container."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "!(has(self.value) && has(self.valueFrom))",
                "Set either value or valueFrom of an environment variable, not both.",
            )
        )
    )

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=256,
            json_schema_extra=refuse_unless(
                must(
                    f"!self.startsWith('PENSTOCK_') || self in {list(SETTINGS)}",
                    "Environment variables that begin with PENSTOCK_ are set by Penstock itself;"
                    " choose another name.",
                ),
                must(
                    "!self.contains('=')",
                    "The name of an environment variable cannot contain '='.",
                ),
            ),
        ),
    ]
    """Name of the variable. Names that begin with PENSTOCK_ are Penstock's own, but for
    PENSTOCK_RESULT_PREVIEW: set to true, it shows a preview of the result in the run's status;
    PENSTOCK_LINGER_SECONDS: waits that are shorter keep their pod, 30 if it is not set; and
    PENSTOCK_CODEC: module:object, which encrypts or compresses what is stored."""

    value: Annotated[str, Field(max_length=32768)] | None = None
    """The value; $(NAME) stands for a variable that is defined above it."""

    value_from: EnvVarSource | None = None
    """Where the value is taken from, instead of value."""


Environment = Annotated[
    tuple[EnvVar, ...],
    Field(
        max_length=128,
        json_schema_extra=listed_by("name"),
    ),
]

Quantities = Annotated[dict[str, Quantity], Field(max_length=32)]


class Resources(Part):
    """What the flow's container may use, as in any pod."""

    requests: Quantities | None = None
    """What is set aside for the container, for example cpu: 500m and memory: 1Gi."""

    limits: Quantities | None = None
    """What the container can use at most. A flow that exceeds its memory limit is killed, and its
    run launched again."""


Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=64)]
Annotations = Annotated[dict[str, Annotated[str, Field(max_length=65536)]], Field(max_length=64)]


class PodMetadata(Part):
    """Labels and annotations of a run's pods."""

    labels: Labels | None = None
    """Labels added to each pod. Those of Penstock itself cannot be changed."""

    annotations: Annotations | None = None
    """Annotations added to each pod."""


_ANY: JsonValue = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _any_list(limit: int) -> JsonValue:
    return {
        "type": "array",
        "maxItems": limit,
        "items": _ANY,
        "x-kubernetes-list-type": "atomic",
    }


_VOLUME_TYPES = (
    "configMap",
    "csi",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
)

_VOLUME_FIELDS: JsonObject = dict.fromkeys(_VOLUME_TYPES, _ANY)
_VOLUME_FIELDS["name"] = {"type": "string", "maxLength": 63}

_VOLUME: JsonValue = {"type": "object", "required": ["name"], "properties": _VOLUME_FIELDS}

FLOW_POD_FIELDS: JsonObject = {
    "affinity": _ANY,
    "containers": _any_list(16),
    "imagePullSecrets": _any_list(16),
    "initContainers": _any_list(16),
    "nodeSelector": {
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 63},
    },
    "priorityClassName": {"type": "string", "maxLength": 253},
    "tolerations": _any_list(32),
    "topologySpreadConstraints": _any_list(16),
    "volumes": {
        "type": "array",
        "maxItems": 32,
        "items": _VOLUME,
        "x-kubernetes-list-type": "atomic",
    },
}
"""The pod fields that a Flow may set: whoever may write Flows gains no more than a plain pod."""


class FlowPodTemplate(Part):
    """What a Flow adds to the pods of its runs."""

    metadata: PodMetadata = Field(default_factory=PodMetadata)
    """Labels and annotations of the pods."""

    spec: Annotated[
        JsonObject, Field(json_schema_extra={"properties": FLOW_POD_FIELDS, "maxProperties": 16})
    ] = Field(default_factory=dict)
    """Fields of the pod's spec. The flow's own container is named flow, and only its env, envFrom,
    volumeMounts, resources and ports can be set; further containers run beside it. Host paths, host
    namespaces, privilege and service accounts are the WorkPool's to give."""


class PoolPodTemplate(Part):
    """The pods of all runs of a WorkPool."""

    metadata: PodMetadata = Field(default_factory=PodMetadata)
    """Labels and annotations of the pods."""

    spec: Annotated[
        FreeObject,
        Field(
            json_schema_extra={
                "properties": {"restartPolicy": {"type": "string", "enum": ["Never"]}},
            }
        ),
    ] = Field(default_factory=dict)
    """Any fields of a pod's spec. The flow's own container is named flow; further containers run
    beside it. restartPolicy is Never or absent."""
