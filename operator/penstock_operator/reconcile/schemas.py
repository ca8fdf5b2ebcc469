"""Whether a parameterSchema can be used at all.

It must be a JSON Schema (Draft 2020-12) that stands alone: references lead to its own subschemas,
so that evaluating it never fetches anything and never meets what was not examined here.
"""

from collections.abc import Container, Iterator
from functools import lru_cache
from json import loads

from jsonschema import Draft202012Validator
from pydantic import JsonValue

from penstock_operator.model.schema import JsonObject
from penstock_operator.reconcile.patterns import pattern_fault
from penstock_operator.reconcile.text import shorten
from penstock_operator.reconcile.wire import canonical

LONGEST_SCHEMA = 64 * 1024
LONGEST_FAULT = 400

_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLES = (
    "items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames",
)  # fmt: skip
_REFUSED = (
    "$dynamicRef", "$recursiveRef", "$vocabulary", "unevaluatedProperties", "unevaluatedItems",
)  # fmt: skip
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_fault(schema: JsonObject) -> str | None:
    """Say why a schema cannot be used, as a clause, or return None."""
    try:
        return _fault(canonical(schema))
    except RecursionError:
        return "it is nested too deeply"


@lru_cache(maxsize=256)
def _fault(text: str) -> str | None:
    if len(text) > LONGEST_SCHEMA:
        return f"it is longer than {LONGEST_SCHEMA // 1024} KiB"
    schema = loads(text)
    if str(schema.get("$schema", _DIALECT)).rstrip("#") != _DIALECT:
        return f"its $schema is not {_DIALECT}; leave it out"
    rules = {"$schema": _DIALECT} | schema
    wrong = next(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(rules), None)
    if wrong is not None:
        path = "/".join(str(part) for part in wrong.absolute_path)
        return shorten(f"{path or 'it'}: {' '.join(wrong.message.split())}", limit=LONGEST_FAULT)
    parts = dict(_subschemas(schema, pointer="#"))
    faults = (
        _part_fault(part, known=parts.keys(), is_root=at == "#") for at, part in parts.items()
    )
    return next((fault for fault in faults if fault), None)


def _subschemas(schema: JsonValue, *, pointer: str) -> Iterator[tuple[str, JsonObject]]:
    if not isinstance(schema, dict):
        return
    yield pointer, schema
    for keyword in _MAPS:
        group = schema.get(keyword)
        for name, each in group.items() if isinstance(group, dict) else ():
            yield from _subschemas(each, pointer=f"{pointer}/{keyword}/{_escape(name)}")
    for keyword in _LISTS:
        group = schema.get(keyword)
        for position, each in enumerate(group if isinstance(group, list) else ()):
            yield from _subschemas(each, pointer=f"{pointer}/{keyword}/{position}")
    for keyword in _SINGLES:
        yield from _subschemas(schema.get(keyword), pointer=f"{pointer}/{keyword}")


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _part_fault(part: JsonObject, *, known: Container[str], is_root: bool) -> str | None:
    for keyword in _REFUSED:
        if keyword in part:
            return f"the keyword {keyword} is not supported; use additionalProperties or items"
    if not is_root and ("$schema" in part or "$id" in part):
        return "$schema and $id can stand at its top only"
    reference = part.get("$ref")
    if isinstance(reference, str) and reference not in known:
        return f"the reference {shorten(reference, limit=100)!r} leads to no subschema of its own"
    by_pattern = part.get("patternProperties")
    patterns = [part.get("pattern"), *(by_pattern if isinstance(by_pattern, dict) else ())]
    faults = (pattern_fault(each) for each in patterns if isinstance(each, str))
    return next((fault for fault in faults if fault), None)
