"""Turns pydantic's JSON Schema into the structural schema that a CustomResourceDefinition takes.

Structural schemas know no reference, no title and no null, and take `properties` or
`additionalProperties`, never both.
"""

from pydantic import JsonValue

from penstock_operator.model.schema import JsonObject, Part


def structural_schema(part: type[Part]) -> JsonObject:
    """Write the schema of a class down in full."""
    schema: JsonObject = part.model_json_schema(by_alias=True, mode="validation")
    return _structural(schema, definitions=as_object(schema.get("$defs", {})))


def as_object(value: JsonValue) -> JsonObject:
    """Tell the type checker what is known here: that the value is an object."""
    if not isinstance(value, dict):
        raise TypeError(f"A schema is an object, not {value!r}.")
    return value


def _structural(schema: JsonObject, *, definitions: JsonObject) -> JsonObject:
    schema = _resolved(schema, definitions=definitions)
    for keyword in ("title", "$defs"):
        schema.pop(keyword, None)
    if "properties" in schema or schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.pop("additionalProperties", None)
    if "description" in schema:
        schema["description"] = " ".join(str(schema["description"]).split())
    if "properties" in schema:
        schema["properties"] = {
            name: _structural(as_object(field), definitions=definitions)
            for name, field in as_object(schema["properties"]).items()
        }
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            schema[keyword] = _structural(as_object(schema[keyword]), definitions=definitions)
    return _with_visible_default(schema)


def _resolved(schema: JsonObject, *, definitions: JsonObject) -> JsonObject:
    """Put definitions in the place of references, and read `anyOf: [X, null]` as X."""
    siblings = dict(schema)
    if "$ref" in siblings:
        name = str(siblings.pop("$ref")).rpartition("/")[2]
        definition = as_object(definitions[name])
        if "enum" in definition:  # what is said of the words as such is for programmers
            definition = {key: each for key, each in definition.items() if key != "description"}
        return _resolved(definition | siblings, definitions=definitions)
    options = siblings.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        (option,) = (option for option in options if option != {"type": "null"})
        del siblings["anyOf"]
        return _resolved(as_object(option) | siblings, definitions=definitions)
    return siblings


def _with_visible_default(schema: JsonObject) -> JsonObject:
    """Keep the defaults that tell a reader something: not null, not the empty list."""
    default = schema.pop("default", None)
    if isinstance(default, dict):
        default = {name: value for name, value in default.items() if value is not None}
    if default not in (None, "", []):
        schema["default"] = default
    return schema
