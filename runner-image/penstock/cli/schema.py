"""Whether parameters fit a flow's schema, or a payload that of a wait, before they are sent.

The operator asks the same and decides; asking here saves a person the way there.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from penstock.cli.errors import CommandError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SHOWN_PROBLEMS = 5


def require_fit(
    parameters: Mapping[str, Any], *, schema: Mapping[str, Any] | None, flow: str
) -> None:
    """Refuse parameters that the flow's schema refuses, in one message for all of them."""
    problems = parameter_problems(parameters, schema=schema) if schema else []
    if not problems:
        return
    known = ", ".join(schema.get("properties", {})) if schema else ""
    raise CommandError(
        "\n".join(
            [
                f"The parameters do not fit the flow {flow}:",
                *(f"  - {problem}" for problem in problems),
                f"It takes: {known}." if known else "It takes no parameters.",
            ]
        )
    )


def parameter_problems(parameters: Mapping[str, Any], *, schema: Mapping[str, Any]) -> list[str]:
    """Return a clause for each parameter that does not fit; none where the schema is unusable."""
    return [_clause(error) for error in _errors(parameters, schema=schema)]


def payload_problems(payload: object, *, schema: Mapping[str, Any]) -> list[str]:
    """Return a clause for each part of a signal's payload that does not fit."""
    return [
        ": ".join(part for part in (_path(error), " ".join(error.message.split())) if part)
        for error in _errors(payload, schema=schema)
    ]


def _errors(value: object, *, schema: Mapping[str, Any]) -> list[ValidationError]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    # An empty registry: the default one fetches remote references.
    validator = Draft202012Validator(dict(schema), registry=Registry())
    try:
        Draft202012Validator.check_schema(dict(schema))
        return list(islice(validator.iter_errors(value), SHOWN_PROBLEMS))
    except (SchemaError, Unresolvable):
        return []  # of a Flow the operator says so, where it can be mended


def _path(error: ValidationError) -> str:
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
    ).lstrip(".")


def _clause(error: ValidationError) -> str:
    path = _path(error)
    said = " ".join(error.message.split())
    if error.validator == "additionalProperties" and not path:
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        instance = error.instance if isinstance(error.instance, dict) else {}
        extra = sorted(name for name in instance if name not in known)
        return f"{' and '.join(extra)}: there is no such parameter"
    if error.validator == "type" and error.validator_value == "string" and len(error.path) == 1:
        said += f"""; to pass text that reads like JSON, quote it twice: -p '{path}="…"'"""
    return f"{path}: {said}" if path else said
