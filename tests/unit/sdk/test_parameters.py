"""Parameters are bound, coerced from the type hints, refused before anything runs, described."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from penstock import flow, task
from penstock.errors import ParameterError
from penstock.parameters import parameter_schema

if TYPE_CHECKING:
    from decimal import Decimal


class Model(BaseModel):
    size: int


@dataclass
class Point:
    x: float
    y: float = 0.0


class Colour(Enum):
    RED = "red"


class Opaque:
    """A type that has no JSON form."""


@flow
def many(
    day: date,
    model: Model,
    point: Point,
    colour: Colour,
    ratio: Annotated[float, Field(gt=0)] = 0.5,
    sizes: list[int] | None = None,
) -> object:
    return day, model, point, colour, ratio, sizes


def test_parameters_are_coerced_from_json_values() -> None:
    assert many(
        day="2026-11-20",  # type: ignore[arg-type] # as JSON has them, all of these
        model={"size": "3"},  # type: ignore[arg-type]
        point={"x": 1},  # type: ignore[arg-type]
        colour="red",  # type: ignore[arg-type]
        ratio="0.25",  # type: ignore[arg-type]
        sizes=["1", 2],  # type: ignore[list-item]
    ) == (date(2026, 11, 20), Model(size=3), Point(1.0), Colour.RED, 0.25, [1, 2])


def test_objects_that_fit_are_passed_as_they_are() -> None:
    model = Model(size=1)

    @flow
    def passes(model: Model) -> bool:
        return model is the_model

    the_model = model
    assert passes(model)


def test_every_misfit_is_named_before_any_task_runs() -> None:
    ran: list[int] = []

    @flow
    def typed(number: int, name: str) -> None:
        ran.append(number)

    with pytest.raises(ParameterError) as caught:
        typed("x", name=3)  # type: ignore[arg-type] # what the test is about
    message = str(caught.value)

    assert "do not fit the flow typed" in message
    assert "number: Input should be a valid integer" in message
    assert "name: Input should be a valid string" in message
    assert ran == []


@pytest.mark.parametrize(
    ("args", "kwargs", "complaint"),
    [
        ((), {}, "missing a required argument: 'number'"),
        ((1, 2), {}, "too many positional arguments"),
        ((1,), {"other": 2}, "got an unexpected keyword argument 'other'"),
    ],
    ids=["missing", "too-many", "unexpected"],
)
def test_parameters_that_do_not_fit_the_signature_are_refused(
    args: tuple[object, ...], kwargs: dict[str, object], complaint: str
) -> None:
    @flow
    def typed(number: int) -> None: ...

    with pytest.raises(ParameterError, match=complaint):
        typed(*args, **kwargs)  # type: ignore[arg-type] # what the test is about


def test_a_parameter_error_is_a_type_error_as_of_any_function() -> None:
    with pytest.raises(TypeError):
        flow(lambda: None)(1)  # type: ignore[call-arg] # what the test is about


def test_validation_can_be_switched_off() -> None:
    @flow(validate_parameters=False)
    def trusting(number: int) -> object:
        return number

    assert trusting("x") == "x"  # type: ignore[arg-type] # what the test is about


def test_a_future_is_validated_once_it_has_a_value() -> None:
    @task
    def text() -> str:
        return "12"

    @flow
    def typed(number: int) -> int:
        return number

    @flow
    def parent() -> int:
        return typed(text.submit())  # type: ignore[arg-type] # a future for a value

    assert parent() == 12


def test_a_hint_that_only_the_type_checker_can_resolve_is_not_validated() -> None:
    @flow
    def typed(amount: Decimal, number: int) -> object:
        return amount, number

    assert typed("1.5", "2") == ("1.5", 2)  # type: ignore[arg-type] # what the test is about


def test_a_name_that_is_none_of_the_parameters_is_answered_with_their_names() -> None:
    @flow
    def daily(day: int, limit: int = 3) -> None: ...

    with pytest.raises(ParameterError, match="Its parameters are day, limit"):
        daily(dya=3)  # type: ignore[call-arg] # on purpose


def test_keywords_beyond_the_named_ones_pass() -> None:
    @flow
    def open_ended(number: int, *rest: int, **more: int) -> object:
        return number, rest, more

    assert open_ended("1", 2, extra=3) == (1, (2,), {"extra": 3})  # type: ignore[arg-type]


def test_the_schema_describes_the_parameters() -> None:
    def described(
        day: date,
        mode: Literal["fast", "slow"],
        ratio: Annotated[float, Field(gt=0)] = 0.5,
        since: date = date(2026, 1, 1),
        anything=None,  # type: ignore[no-untyped-def]
    ) -> None: ...

    assert parameter_schema(described) == {
        "type": "object",
        "properties": {
            "day": {"title": "Day", "type": "string", "format": "date"},
            "mode": {"title": "Mode", "type": "string", "enum": ["fast", "slow"]},
            "ratio": {"title": "Ratio", "type": "number", "exclusiveMinimum": 0, "default": 0.5},
            "since": {
                "title": "Since",
                "type": "string",
                "format": "date",
                "default": "2026-01-01",
            },
            "anything": {"title": "Anything", "default": None},
        },
        "required": ["day", "mode"],
        "additionalProperties": False,
    }


def test_the_schema_keeps_the_definitions_of_models() -> None:
    def described(model: Model) -> None: ...

    schema = parameter_schema(described)

    assert schema["properties"] == {"model": {"$ref": "#/$defs/Model"}}
    assert schema["$defs"]["Model"]["required"] == ["size"]  # type: ignore[index] # a nested dict


def test_a_type_without_a_json_form_takes_anything_in_the_schema() -> None:
    def described(thing: Opaque, other: Opaque = Opaque(), **more: int) -> None: ...  # noqa: B008

    assert parameter_schema(described) == {
        "type": "object",
        "properties": {"thing": {"title": "Thing"}, "other": {"title": "Other"}},
        "required": ["thing"],
    }
