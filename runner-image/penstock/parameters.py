"""A flow's parameters: bound to its signature, coerced to its type hints, described as a schema.

pydantic does the work, and is imported only when there is some: a flow without type hints, or
called with exactly the builtin types that it asks for, starts without it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from penstock.complaints import complaints
from penstock.errors import ParameterError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic.json_schema import JsonSchemaValue

Function = Callable[..., object]

_PLAIN = (bool, int, float, str, bytes)
"""Types whose exact instances pydantic would return as they are."""

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def bind(
    function: Function, args: tuple[object, ...], kwargs: Mapping[str, object], *, flow_name: str
) -> inspect.BoundArguments:
    """Return the arguments by parameter name, without defaults.

    Raises ``ParameterError`` when they do not fit the signature.
    """
    try:
        return inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        words = f"The parameters do not fit the flow {flow_name}: {error}."
        known = inspect.signature(function).parameters
        if any(name not in known for name in kwargs):
            words += f" Its parameters are {', '.join(known)}." if known else " It has none."
        raise ParameterError(words) from None


def by_name(
    function: Function, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """Return the arguments of a call by the names by which they can be given again."""
    names = [
        name
        for name, each in inspect.signature(function).parameters.items()
        if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    return {**dict(zip(names, args, strict=False)), **kwargs}


def as_json(parameters: Mapping[str, Any]) -> Mapping[str, object]:
    """Return parameters in JSON's types, as the object of a run has them."""
    import json

    try:
        return cast("dict[str, object]", json.loads(json.dumps(parameters, allow_nan=False)))
    except (TypeError, ValueError) as error:
        try:
            from pydantic_core import to_jsonable_python

            return cast("dict[str, object]", to_jsonable_python(dict(parameters)))
        except (ImportError, ValueError):
            raise ParameterError(
                f"The parameters of a run are written into its object as JSON, and these cannot "
                f"be: {error}. Give it what can, such as a key or a path."
            ) from error


def coerce(function: Function, bound: inspect.BoundArguments, *, flow_name: str) -> None:
    """Replace the given arguments by what pydantic makes of them; defaults stay as written.

    Raises ``ParameterError``, naming each parameter that does not fit its type hint.
    """
    hints = type_hints(function)
    given = {
        name: value
        for name, value in bound.arguments.items()
        if name in hints and not (hints[name] in _PLAIN and type(value) is hints[name])
    }
    if not given:
        return
    from pydantic import ValidationError

    try:
        bound.arguments.update(_adapter(function).validate_python(given))
    except ValidationError as error:
        raise ParameterError(_complaint(error, flow_name=flow_name)) from None


def _complaint(error: ValidationError, *, flow_name: str) -> str:
    return "\n  ".join((f"The parameters do not fit the flow {flow_name}:", *complaints(error)))


def type_hints(function: Function) -> dict[str, object]:
    """Return the hints of the parameters that have one which can be resolved."""
    named = [p.name for p in _parameters(function).values() if p.kind not in _VARIADIC]
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception:  # a name under TYPE_CHECKING, say: judge each hint by itself
        hints = _resolvable_hints(function)
    return {name: hints[name] for name in named if name in hints}


def _resolvable_hints(function: Function) -> dict[str, Any]:
    hints = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        carrier = type("carrier", (), {"__annotations__": {name: hint}})
        names = getattr(inspect.unwrap(function), "__globals__", {})
        try:
            hints.update(typing.get_type_hints(carrier, names, include_extras=True))
        except Exception:  # noqa: S112 - what cannot be resolved is not validated
            continue
    return hints


def _parameters(function: Function) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


@lru_cache(maxsize=256)
def _adapter(function: Function) -> TypeAdapter[dict[str, object]]:
    """Validate any part of the parameters: as a TypedDict, whose keys may have any name."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter
    from typing_extensions import TypedDict

    fields = cast("Any", TypedDict)("Parameters", type_hints(function), total=False)
    fields.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
    try:
        return TypeAdapter(fields)
    except PydanticUserError as error:
        name = getattr(function, "__name__", "the flow")
        raise ParameterError(
            f"The type hints of {name} cannot be validated: {error.message} "
            "Change the hint, or set validate_parameters=False on the flow."
        ) from error


def parameter_schema(function: Function) -> dict[str, object]:
    """Return the JSON Schema of an object that holds the function's parameters by name.

    A parameter without a type hint, or whose type has no JSON form, takes anything.
    """
    parameters = _parameters(function)
    described = _adapter(function).json_schema(schema_generator=_lenient_generator())
    known = described.get("properties", {})
    named = {name: p for name, p in parameters.items() if p.kind not in _VARIADIC}
    schema: dict[str, object] = {
        "type": "object",
        "properties": {
            name: _with_default(known.get(name, {"title": _title(name)}), p)
            for name, p in named.items()
        },
    }
    required = [name for name, p in named.items() if p.default is p.empty]
    if required:
        schema["required"] = required
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        schema["additionalProperties"] = False
    if "$defs" in described:
        schema["$defs"] = described["$defs"]
    return schema


def _title(name: str) -> str:
    return name.replace("_", " ").title()


def _with_default(schema: dict[str, object], parameter: inspect.Parameter) -> dict[str, object]:
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    if parameter.default is parameter.empty:
        return schema
    try:
        return {**schema, "default": to_jsonable_python(parameter.default)}
    except PydanticSerializationError:
        return schema


def _lenient_generator() -> type[Any]:
    from pydantic.json_schema import GenerateJsonSchema

    class Lenient(GenerateJsonSchema):
        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
            return {}

    return Lenient
