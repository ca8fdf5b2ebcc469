"""Parameters against schemas, friendly and hostile."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_operator.reconcile.parameters import merged_parameters, parameter_problems
from penstock_operator.reconcile.schemas import schema_fault

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}, "uniqueItems": True},
    },
    "required": ["day"],
    "additionalProperties": False,
    "$defs": {"Row": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}},
}


LONG = "a" * 99 + "!"


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


def doubling(times: int) -> dict[str, Any]:
    names = {f"a{n + 1}": {"allOf": [{"$ref": f"#/$defs/a{n}"}] * 2} for n in range(times)}
    return {"$defs": {"a0": {"type": "object"}} | names, "$ref": f"#/$defs/a{times}"}


@pytest.mark.parametrize(
    ("parameters", "problems"),
    [
        pytest.param({"day": "2026-11"}, (), id="all fits"),
        pytest.param({}, ("'day' is a required property",), id="one is missing"),
        pytest.param({"day": 3}, ("day: 3 is not of type 'string'",), id="wrong type"),
        pytest.param({"day": "2026-11", "dya": 1}, ("'dya' is not expected",), id="misspelt"),
        pytest.param(
            {"day": "today"}, ("day: 'today' does not match '^[0-9]{4}-[0-9]{2}$'",), id="pattern"
        ),
        pytest.param(
            {"day": "2026-11", "rows": [{"n": 1}, {"n": 0}]},
            ("rows[1].n: 0 is less than the minimum of 1",),
            id="deep",
        ),
        pytest.param(
            {"day": "2026-11", "rows": [{"n": 1}, {"n": 1}]},
            ("rows: its items are not unique",),
            id="not unique",
        ),
    ],
)
def test_parameters_are_held_to_the_schema(
    parameters: dict[str, Any], problems: tuple[str, ...]
) -> None:
    assert parameter_problems(parameters, schema=SCHEMA) == problems


def test_defaults_need_not_be_complete_but_have_to_fit() -> None:
    assert parameter_problems({}, schema=SCHEMA, partial=True) == ()
    assert parameter_problems({"day": 3}, schema=SCHEMA, partial=True) != ()


def test_without_a_schema_anything_fits() -> None:
    assert parameter_problems({"anything": 1}, schema=None) == ()


def test_a_runs_parameters_go_before_the_flows_name_by_name() -> None:
    merged = merged_parameters({"a": {"x": 1}, "b": 1}, run={"a": {"y": 2}})

    assert merged == {"a": {"y": 2}, "b": 1}


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        pytest.param({"type": "strin"}, "strin", id="unknown type"),
        pytest.param({"properties": 5}, "properties", id="no object"),
        pytest.param({"properties": {"a": {"pattern": "("}}}, "pattern", id="bad pattern"),
        pytest.param({"properties": {"a": {"pattern": "(?=a)"}}}, "look-around", id="look-ahead"),
        pytest.param({"patternProperties": {"(a{999}){999}": {}}}, "too large", id="huge pattern"),
        pytest.param({"$ref": "http://evil/schema"}, "reference", id="remote reference"),
        pytest.param({"$ref": "#/$defs/none"}, "reference", id="dangling reference"),
        pytest.param({"$ref": "#/examples/0", "examples": [3]}, "reference", id="into no schema"),
        pytest.param({"$schema": "http://json-schema.org/draft-07/schema"}, "$schema", id="draft"),
        pytest.param({"$schema": 5}, "$schema", id="draft 5"),
        pytest.param(
            {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}},
            "top only",
            id="draft below",
        ),
        pytest.param({"properties": {"a": {"$id": "http://x"}}}, "top only", id="id below"),
        pytest.param({"unevaluatedProperties": False}, "unevaluatedProperties", id="unevaluated"),
        pytest.param(nested(120), "deep", id="deep"),
        pytest.param({"enum": ["x" * 70_000]}, "longer", id="long"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_the_cause(
    schema: dict[str, Any], word: str
) -> None:
    assert word in (schema_fault(schema) or "")
    assert parameter_problems({}, schema=schema) != ()


def test_a_good_schema_is_not_refused() -> None:
    assert schema_fault(SCHEMA) is None
    assert (
        schema_fault(SCHEMA | {"$schema": "https://json-schema.org/draft/2020-12/schema"}) is None
    )


@pytest.mark.parametrize(
    ("schema", "parameters"),
    [
        pytest.param({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": LONG}, id="regex"),
        pytest.param({"patternProperties": {"^(a+)+$": {}}}, {LONG: 1}, id="names"),
        pytest.param(
            {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
            {LONG: 1},
            id="other names",
        ),
        pytest.param(doubling(60), {}, id="doubling"),
        pytest.param({"$ref": "#"}, {}, id="endless"),
        pytest.param(
            {"properties": {"a": {"uniqueItems": True}}},
            {"a": [{"n": n} for n in range(20_000)]},
            id="unsortable items",
        ),
        pytest.param({"properties": {"a": {"multipleOf": 0.1}}}, {"a": 10**400}, id="large number"),
        pytest.param(
            {"properties": {"a": {"items": {"enum": list(range(5_000))}}}},
            {"a": [-1] * 20_000},
            id="long enum, long list",
        ),
    ],
)
def test_a_hostile_schema_does_not_hold_the_operator(
    schema: dict[str, Any], parameters: dict[str, Any]
) -> None:
    started = time.process_time()
    parameter_problems(parameters, schema=schema)

    assert time.process_time() - started < 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "pattern", "$ref", "enum", "allOf", "required", "minimum",
     "patternProperties", "additionalProperties", "uniqueItems", "multipleOf", "$defs", "const"]
)  # fmt: skip


@given(
    schema=st.dictionaries(
        KEYWORDS, JSON | st.dictionaries(KEYWORDS, JSON, max_size=2), max_size=3
    ),
    parameters=st.dictionaries(st.text(max_size=8), JSON, max_size=3),
)
def test_no_schema_and_no_parameters_raise(
    schema: dict[str, Any], parameters: dict[str, Any]
) -> None:
    for problem in parameter_problems(parameters, schema=schema):
        assert problem
