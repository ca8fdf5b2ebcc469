"""A run's parameters against the flow's JSON Schema (Draft 2020-12), safe against hostile schemas.

A schema comes from whoever may write Flows, and it is evaluated in the operator, which serves all
namespaces. So nothing is fetched, patterns run on a linear-time engine, each evaluation has a
budget of steps, and what cannot be evaluated within these bounds becomes a clause of a sentence.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from pydantic import JsonValue
from referencing import Registry

from penstock_operator.model.schema import JsonObject
from penstock_operator.reconcile.patterns import matches
from penstock_operator.reconcile.schemas import schema_fault
from penstock_operator.reconcile.text import shorten
from penstock_operator.reconcile.wire import canonical, child

MAX_STEPS = 50_000
"""Keywords evaluated at most, half a second. A schema of 100 parameters takes some hundreds."""

SHOWN_PROBLEMS = 5
LONGEST_PROBLEM = 400


class _Validator(Protocol):
    """What a keyword may ask of the validator that calls it."""

    format_checker: "_Budget"

    def descend(
        self, instance: JsonValue, schema: JsonValue, *, path: str, schema_path: str | None = None
    ) -> Iterable[ValidationError]: ...

    def iter_errors(self, instance: JsonValue) -> Iterable[ValidationError]: ...


_Errors = Iterable[ValidationError]
_Keyword = Callable[[_Validator, JsonValue, JsonValue, JsonObject], _Errors | None]


def merged_parameters(flow: JsonObject | None, *, run: JsonObject | None) -> JsonObject:
    """Lay the run's parameters over the flow's, name by name, as the runner does."""
    return {**(flow or {}), **(run or {})}


def parameter_problems(
    parameters: JsonObject, *, schema: JsonObject | None, partial: bool = False
) -> tuple[str, ...]:
    """Say which parameters do not fit, a clause for each; nothing when all do.

    `partial` overlooks the missing ones: a flow's defaults need not be complete.
    """
    if not schema:
        return ()
    fault = schema_fault(schema)
    if fault is not None:
        return (f"parameterSchema cannot be used: {fault}",)
    ignored = {"$schema", "$id", "required"} if partial else {"$schema", "$id"}
    shape = {keyword: rule for keyword, rule in schema.items() if keyword not in ignored}
    try:
        errors = _checker(shape).iter_errors(parameters)
        return tuple(_clause(each) for each in islice(errors, SHOWN_PROBLEMS))
    except _TooComplexError:
        return ("they are too complex to be checked; make parameterSchema simpler",)
    except RecursionError:
        return ("they, or parameterSchema, are nested too deeply to be checked",)
    except ArithmeticError:
        return ("a number in them is too large to be checked",)


def _clause(error: ValidationError) -> str:
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
    ).lstrip(".")
    said = " ".join(error.message.split())
    return shorten(f"{path}: {said}" if path else said, limit=LONGEST_PROBLEM)


class _TooComplexError(Exception):
    """The budget of steps is spent."""


class _Budget(FormatChecker):
    """Counts steps. It travels as the format checker, the one thing of ours that jsonschema hands
    from schema to subschema; formats themselves are left to the runner, which knows the types."""

    def __init__(self) -> None:
        super().__init__(formats=())
        self.left = MAX_STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise _TooComplexError


def _metered(keyword: _Keyword) -> _Keyword:
    def metered(
        validator: _Validator, value: JsonValue, instance: JsonValue, schema: JsonObject
    ) -> Iterable[ValidationError]:
        validator.format_checker.spend(1 + (_width(value) + _width(instance)) // 8)
        return keyword(validator, value, instance, schema) or ()

    return metered


def _width(value: JsonValue) -> int:
    return len(value) if isinstance(value, list | dict) else 0


def _pattern(
    _: _Validator, pattern: JsonValue, instance: JsonValue, __: JsonObject
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matches(str(pattern), text=instance):
        yield ValidationError(f"{shorten(repr(instance), limit=100)} does not match {pattern!r}")


def _pattern_properties(
    validator: _Validator, rules: JsonValue, instance: JsonValue, _: JsonObject
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict) or not isinstance(rules, dict):
        return
    for pattern, rule in rules.items():
        for name, value in instance.items():
            if matches(pattern, text=name):
                yield from validator.descend(value, rule, path=name, schema_path=pattern)


def _additional_properties(
    validator: _Validator, rule: JsonValue, instance: JsonValue, schema: JsonObject
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    patterns = tuple(child(schema, "patternProperties"))
    known = child(schema, "properties")
    for name, value in instance.items():
        if name in known or any(matches(each, text=name) for each in patterns):
            continue
        if rule is False:
            yield ValidationError(f"{shorten(name, limit=100)!r} is not expected")
        else:
            yield from validator.descend(value, rule, path=name)


def _unique_items(
    _: _Validator, wanted: JsonValue, instance: JsonValue, __: JsonObject
) -> Iterator[ValidationError]:
    # The library compares each pair where items cannot be sorted.
    if not isinstance(instance, list) or wanted is not True:
        return
    if len({canonical(each) for each in instance}) < len(instance):
        yield ValidationError("its items are not unique")


_OWN: dict[str, _Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}
_METERED = {
    keyword: _metered(rule) for keyword, rule in {**Draft202012Validator.VALIDATORS, **_OWN}.items()
}
_Checker = extend(  # type: ignore[no-untyped-call]  # the stubs leave it untyped
    Draft202012Validator, validators=_METERED
)


def _checker(schema: JsonObject) -> _Validator:
    # An empty registry: the default one fetches remote references.
    checker: _Validator = _Checker(schema, registry=Registry(), format_checker=_Budget())
    return checker
