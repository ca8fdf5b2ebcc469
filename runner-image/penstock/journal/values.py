"""How a result is stored: JSON where it comes back as what it was, else pickle.

JSON is for exact builtin types only: it would turn a tuple into a list, a key 1 into "1" and a
pydantic ``SecretStr`` into asterisks. Functions and classes of ``__main__`` need cloudpickle.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from typing import cast

from penstock.errors import UnstorableValue

JSON = "json"
PICKLE = "pickle"


def encode(value: object) -> tuple[str, bytes]:
    """Return the serialiser's name and the stored form; raise ``UnstorableValue``."""
    if type(value) in _SCALARS or _is_plain(value, depth=0):
        return JSON, json.dumps(value, separators=(",", ":")).encode()
    return PICKLE, _pickled(value)


def decode(serializer: str, payload: bytes) -> object:
    """Return what was stored, made anew."""
    return json.loads(payload) if serializer == JSON else pickle.loads(payload)  # noqa: S301 - our own journal


_SCALARS = frozenset({type(None), bool, int, float, str})
_DEEPEST = 100
"""Lists in lists beyond this are left to pickle, which knows circles."""


def _is_plain(value: object, *, depth: int) -> bool:
    kind = type(value)
    if kind in _SCALARS:
        return True
    if depth > _DEEPEST:
        return False
    parts: Iterable[object]
    if kind is list:
        parts = cast("list[object]", value)
    elif kind is dict:
        mapping = cast("dict[object, object]", value)
        if any(type(key) is not str for key in mapping):
            return False
        parts = mapping.values()
    else:
        return False
    return all(type(part) in _SCALARS or _is_plain(part, depth=depth + 1) for part in parts)


def _pickled(value: object) -> bytes:
    """Return the value pickled, if it can be read again."""
    try:
        return _readable(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
    except Exception as error:
        try:
            import cloudpickle

            return _readable(cloudpickle.dumps(value))
        except ModuleNotFoundError:
            hint = " (pip install 'penstock[processes]' brings cloudpickle, which knows more)"
        except Exception:
            hint = ""
        kind = type(value)
        raise UnstorableValue(
            f"A {kind.__module__}.{kind.__qualname__} cannot be stored{hint}: {error}"
        ) from error


def _readable(payload: bytes) -> bytes:
    pickle.loads(payload)  # noqa: S301 - just written; what only fails here would be lost later
    return payload
