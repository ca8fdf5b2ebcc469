"""Parameters as they are typed: `-p name=value`, and a whole JSON object by `--params`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from penstock.cli.errors import CommandError


def read_parameters(pairs: Iterable[str], *, document: str | None = None) -> dict[str, Any]:
    """Return the parameters by name; a pair goes before the same name in the document."""
    parameters = {} if document is None else _read_document(document)
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise CommandError(f"The parameter {pair!r} has no value; write it as -p name=value.")
        parameters[name] = read_value(text)
    return parameters


def read_value(text: str) -> Any:
    """Return what the text says as JSON, or the text itself where it is none."""
    try:
        return _parse(text)
    except ValueError:
        return text


def _read_document(document: str) -> dict[str, Any]:
    try:
        parameters = _parse(document)
    except ValueError as error:
        raise CommandError(
            f"What --params was given is not JSON ({error}); "
            """write an object in single quotes: --params '{"day": "2026-11-20"}'."""
        ) from error
    if not isinstance(parameters, dict):
        raise CommandError(
            f"--params was given {_kind(parameters)}, and needs an object with the parameters "
            """by name: --params '{"day": "2026-11-20"}'."""
        )
    return parameters


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity, which no other reader of JSON does.
    raise ValueError(f"{name} is not JSON")


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
