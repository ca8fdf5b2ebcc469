"""Read JSON from the API server, or from a user's template, without ever raising.

A field that is missing or has another type than expected reads as empty: whoever could be hurt by
that is protected by the API server's schemas, and a plan must not stop at one object.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from penstock_operator.model.schema import JsonObject


def field(value: JsonValue | Mapping[str, JsonValue], *path: str) -> JsonValue:
    """Follow a path of keys; None where it leads nowhere."""
    current: JsonValue | Mapping[str, JsonValue] = value
    for key in path:
        if not isinstance(current, Mapping):
            return None
        current = current.get(key)
    return dict(current) if isinstance(current, Mapping) else current


def text(value: JsonValue | Mapping[str, JsonValue], *path: str) -> str:
    """Read a string; empty where there is none."""
    found = field(value, *path)
    return found if isinstance(found, str) else ""


def number(value: JsonValue | Mapping[str, JsonValue], *path: str, default: int = 0) -> int:
    """Read an integer."""
    found = field(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def child(value: JsonValue | Mapping[str, JsonValue], *path: str) -> JsonObject:
    """Read an object; empty where there is none."""
    found = field(value, *path)
    return found if isinstance(found, dict) else {}


def children(value: JsonValue | Mapping[str, JsonValue], *path: str) -> list[JsonObject]:
    """Read a list of objects, without what is no object in it."""
    found = field(value, *path)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def strings(value: JsonValue | Mapping[str, JsonValue], *path: str) -> dict[str, str]:
    """Read a map of strings."""
    return {key: each for key, each in child(value, *path).items() if isinstance(each, str)}


def instant(value: JsonValue | Mapping[str, JsonValue], *path: str) -> datetime | None:
    """Read an RFC 3339 time."""
    try:
        found = datetime.fromisoformat(text(value, *path))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def canonical(value: JsonValue) -> str:
    """Write JSON so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
