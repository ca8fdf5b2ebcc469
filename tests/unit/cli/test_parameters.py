"""Parameters as they are typed."""

import pytest

from penstock.cli.errors import CommandError
from penstock.cli.parameters import read_parameters
from penstock.cli.schema import parameter_problems, require_fit

SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string"}, "limit": {"type": "integer"}},
    "required": ["day"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("3", 3, id="a number"),
        pytest.param("2026-11-20", "2026-11-20", id="a date"),
        pytest.param('["Oslo", "Rome"]', ["Oslo", "Rome"], id="a list"),
        pytest.param("true", True, id="a truth"),
        pytest.param('"3"', "3", id="quoted text"),
        pytest.param("NaN", "NaN", id="what only Python takes for JSON"),
        pytest.param("a=b", "a=b", id="text with an equals sign"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_value_is_json_where_it_parses_and_else_text(text: str, value: object) -> None:
    assert read_parameters([f"x={text}"]) == {"x": value}


def test_a_pair_goes_before_the_document() -> None:
    assert read_parameters(["a=1"], document='{"a": 0, "b": 2}') == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("pairs", "document", "words"),
    [
        pytest.param(["day"], None, "'day' has no value; write it as -p name=value", id="no value"),
        pytest.param(["=3"], None, "'=3' has no value", id="no name"),
        pytest.param([], "{day: 3}", "is not JSON", id="YAML"),
        pytest.param([], "[1]", "was given a list", id="a list"),
    ],
)
def test_what_is_no_parameter_is_refused_with_the_way_to_write_it(
    pairs: list[str], document: str | None, words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        read_parameters(pairs, document=document)


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [({"day": "2026-11-20", "limit": 3}, SCHEMA), ({"whatever": 1}, None)],
    ids=["with a schema", "without"],
)
def test_parameters_that_fit_pass(
    parameters: dict[str, object], schema: dict[str, object] | None
) -> None:
    try:
        require_fit(parameters, schema=schema, flow="daily")
    except CommandError as error:
        pytest.fail(f"{parameters} fit, but were refused: {error}")


def test_all_that_does_not_fit_is_said_at_once() -> None:
    with pytest.raises(CommandError) as caught:
        require_fit({"limit": "x", "dya": "2026-11-20"}, schema=SCHEMA, flow="daily")

    first, *problems, last = str(caught.value).splitlines()
    assert first == "The parameters do not fit the flow daily:"
    assert sorted(problems) == [
        "  - 'day' is a required property",
        "  - dya: there is no such parameter",
        "  - limit: 'x' is not of type 'integer'",
    ]
    assert last == "It takes: day, limit."


def test_text_that_was_taken_for_a_number_comes_with_the_way_to_quote_it() -> None:
    (problem,) = parameter_problems({"day": 3}, schema=SCHEMA)

    assert """-p 'day="…"'""" in problem


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "objekt"}, id="no schema"),
        pytest.param({"$ref": "https://example.com/schema"}, id="a reference that is not fetched"),
    ],
)
def test_an_unusable_schema_is_left_to_the_operator(schema: dict[str, object]) -> None:
    assert parameter_problems({"day": 3}, schema=schema) == []
