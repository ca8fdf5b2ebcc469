"""The schemas are such as the API server takes, and such as people can read."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import Field

from penstock_operator.model.crds import KINDS, Kind, custom_resource_definition, without_defaults
from penstock_operator.model.schema import FreeObject, Part, Quantity
from penstock_operator.model.structural import structural_schema


class Leaf(Part):
    """A leaf."""

    name: str
    """Its name."""


class Tree(Part):
    """A tree."""

    leaf: Leaf | None = None
    """The best
    leaf."""

    leaves: Annotated[tuple[Leaf, ...], Field(max_length=3)] = ()
    weights: dict[str, Quantity] = Field(default_factory=dict)
    free: FreeObject | None = None
    height: int = 3
    best: Leaf = Leaf(name="first")


def test_a_schema_is_written_out_without_references_titles_and_nulls() -> None:
    leaf = {
        "type": "object",
        "description": "A leaf.",
        "properties": {"name": {"type": "string", "description": "Its name."}},
        "required": ["name"],
    }
    schema: Any = structural_schema(Tree)
    quantity = schema["properties"]["weights"]["additionalProperties"]

    assert quantity["anyOf"] == [{"type": "integer"}, {"type": "string"}]
    assert schema == {
        "type": "object",
        "description": "A tree.",
        "properties": {
            "leaf": leaf | {"description": "The best leaf."},
            "leaves": {"type": "array", "items": leaf, "maxItems": 3},
            "weights": {"type": "object", "additionalProperties": quantity},
            "free": {
                "type": "object",
                "maxProperties": 256,
                "x-kubernetes-preserve-unknown-fields": True,
            },
            "height": {"type": "integer", "default": 3},
            "best": leaf | {"default": {"name": "first"}},
        },
    }


def test_a_status_has_no_defaults_in_it() -> None:
    schema = {"default": {}, "properties": {"a": {"type": "integer", "default": 0}}}

    assert without_defaults(schema) == {"properties": {"a": {"type": "integer"}}}


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk over everything a person could ask kubectl to explain."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from _fields(field, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from _fields(schema[keyword], f"{path}[]")


def _object_schema(kind: Kind) -> Any:
    definition: Any = custom_resource_definition(kind)
    return definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


SCHEMAS = {kind.name: _object_schema(kind)["properties"] for kind in KINDS}
FIELDS = [
    (path, schema)
    for kind, properties in SCHEMAS.items()
    for part in ("spec", "status")
    if part in properties
    for path, schema in _fields(properties[part], f"{kind}.{part}")
]


BOUNDS = {
    "string": {"maxLength", "enum", "format"},
    "array": {"maxItems"},
    "object": {"maxProperties", "properties", "x-kubernetes-preserve-unknown-fields"},
}


def test_every_field_has_an_upper_bound() -> None:
    """From the bounds the API server reckons what a CEL rule may cost."""

    def bounded(field: dict[str, Any]) -> bool:
        if "type" not in field and field.get("x-kubernetes-preserve-unknown-fields"):
            return "enum" in field or {"maxLength", "maxItems", "maxProperties"} <= field.keys()
        kind = "string" if field.get("x-kubernetes-int-or-string") else field["type"]
        return kind not in BOUNDS or bool(BOUNDS[kind] & field.keys())

    assert [path for path, field in FIELDS if not bounded(field)] == []


def test_what_is_said_is_a_sentence() -> None:
    said = [field["description"] for _, field in FIELDS if "description" in field]
    refusals = [
        rule["message"] for _, field in FIELDS for rule in field.get("x-kubernetes-validations", [])
    ]

    assert len(refusals) > 10
    assert [text for text in said + refusals if not re.fullmatch(r"[A-Z$].*[.]", text)] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_of_a_spec_and_a_status_is_described(kind: Kind) -> None:
    schema = _object_schema(kind)

    for part in {"spec", "status"} & schema["properties"].keys():
        properties = schema["properties"][part]["properties"]
        undescribed = [name for name, field in properties.items() if "description" not in field]
        assert undescribed == []
