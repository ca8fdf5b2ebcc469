"""The vocabulary in which the kinds are written down: how a field is spelt, bounded and refused.

Every string and list has an upper bound, because the API server prices each CEL rule by the largest
value it could meet and refuses a definition that might cost too much.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel
from pydantic.types import AwareDatetime

JsonObject = dict[str, JsonValue]


class Part(BaseModel):
    """A piece of an object: immutable, camelCase outside, deaf to fields it does not know.

    It ignores unknown fields because an object may have been written under a newer definition, and
    no object may stop the operator. Typing errors are refused earlier, by the API server.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        use_attribute_docstrings=True,
    )

    def to_wire(self) -> JsonObject:
        """Write it down as the API server reads it, without the fields that are unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def must(rule: str, message: str) -> JsonValue:
    """One CEL rule, and the sentence that refuses what breaks it."""
    return {"rule": rule, "message": message}


def refuse_unless(*rules: JsonValue) -> JsonObject:
    """Attach rules to a field or a class."""
    return {"x-kubernetes-validations": list(rules)}


def listed_by(key: str) -> JsonObject:
    """Let the API server merge a list of objects by one of their fields, in which all differ."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

_OBJECT_NAME = refuse_unless(
    must(
        f"self.matches('^{DNS_LABEL}$')",
        "A name consists of lower-case letters, digits and '-', and starts and ends with a"
        " letter or a digit.",
    )
)
_DNS_SUBDOMAIN = refuse_unless(
    must(
        f"self.matches('^{DNS_LABEL}(\\\\.{DNS_LABEL})*$')",
        "A name consists of lower-case letters, digits, '-' and '.', and starts and ends with a"
        " letter or a digit.",
    )
)

MAX_NAME_LENGTH = 52
"""A run's Job is named `<run>-<attempt>`, and its pods must fit a DNS label of 63 characters."""

ObjectName = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME_LENGTH, json_schema_extra=_OBJECT_NAME)
]
SignalName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        json_schema_extra=refuse_unless(
            must(
                "self.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",
                "The name of a signal consists of letters, digits, '-', '_' and '.', and starts"
                " and ends with a letter or a digit.",
            )
        ),
    ),
]
"""What a flow waits for: wait_for_signal(name)."""

ForeignName = Annotated[str, Field(min_length=1, max_length=253, json_schema_extra=_DNS_SUBDOMAIN)]
ImageName = Annotated[str, Field(min_length=1, max_length=512)]
Sentence = Annotated[str, Field(max_length=4096)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Seconds = Annotated[int, Field(ge=0, le=2**31 - 1)]
PositiveSeconds = Annotated[int, Field(ge=1, le=2**31 - 1)]
Generation = Annotated[int, Field(json_schema_extra={"format": "int64"})]
Timestamp = AwareDatetime
Quantity = Annotated[
    int | str,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "maxLength": 32,
            "pattern": r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
            r"([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
        }
    ),
]

FreeObject = Annotated[
    JsonObject,
    Field(
        max_length=256,
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    ),
]
"""An object whose fields are the user's affair, kept as it is."""

Answer = Annotated[
    JsonValue,
    Field(
        json_schema_extra={
            "x-kubernetes-preserve-unknown-fields": True,
            "maxLength": 4096,
            "maxItems": 4096,
            "maxProperties": 1024,
        }
    ),
]
"""Any JSON of at most 4 KiB, kept as it is."""

ApiVersion = Literal["penstock.dev/v1alpha1"]
API_GROUP = "penstock.dev"
API_VERSION: ApiVersion = "penstock.dev/v1alpha1"
