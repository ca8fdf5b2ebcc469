"""A digest of a call's arguments: equal arguments, equal digest, in every process.

Structural and tagged by type, over a table of exact types and by the buffers of arrays; never
``repr`` or pickle bytes, which differ for equal values. An argument outside the table counts by
its type's name alone.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, cast

from penstock.annotations import allow_failure, opaque, quote, unmapped
from penstock.engine.columns import plain_value_of
from penstock.engine.identity import Arguments, Spread

Digest = Callable[[object], bytes]

_SIZE = 16


def digests_of(
    args: tuple[object, ...], kwargs: dict[str, object], *, spread: Spread | None = None
) -> Arguments:
    """Return the digest of each argument, those by name in the order of their names."""
    if spread is not None:
        return (
            *[("", _shared(place, value, spread)) for place, value in enumerate(args)],
            *[(name, _shared(name, kwargs[name], spread)) for name in sorted(kwargs)],
        )
    positional = [("", digest_of(value)) for value in args]
    if not kwargs:
        return tuple(positional)
    return (*positional, *[(name, digest_of(kwargs[name])) for name in sorted(kwargs)])


def _shared(place: int | str, value: object, spread: Spread) -> bytes:
    """Digest an argument of one call of a ``.map``; what all its calls share, once."""
    if place in spread.elements:
        return digest_of(value)
    same = spread.same.get(place)
    if same is None:
        same = spread.same[place] = digest_of(value)
    return same


def digest_of_call(arguments: Arguments, *, index: int | None = None, owner: object = None) -> str:
    """Return the digest of a call, of those of its arguments; ``index``: its place in a ``.map``.

    ``owner`` is what a method belongs to.
    """
    hasher = hashlib.blake2b(digest_size=_SIZE)
    for name, digest in arguments:
        hasher.update(f"{len(name)} {name}".encode() if name else b"-")
        hasher.update(digest)
    if index is not None:
        hasher.update(f"[{index}]".encode())
    if owner is not None:
        hasher.update(b"self")
        hasher.update(digest_of_owner(owner))
    return hasher.hexdigest()


def is_digestible(value: object) -> bool:
    """Tell whether the content of a value, or of a part of it, counts in its digest."""
    kind = type(value)
    return kind in _EXACT or digest_of(value) != _unknown(kind)


def digest_of(value: object) -> bytes:
    """Return the digest of one value."""
    kind = type(value)
    known = _EXACT.get(kind)
    if known is not None:
        return known(value)
    if isinstance(value, Enum):
        return _tagged(_name(kind), [value.name.encode()])
    if isinstance(value, PurePath):
        return _tagged("path", [str(value).encode()])
    if isinstance(value, type):
        return _tagged("class", [_name(value).encode()])
    if kind.__module__ in _BY_TEXT and kind.__name__ in _BY_TEXT[kind.__module__]:
        return _tagged(_name(kind), [str(value).encode()])
    parts = parts_of(value)
    return _unknown(kind) if parts is None else _tagged(_name(kind), map(digest_of, parts))


def parts_of(value: object) -> Sequence[object] | None:
    """Return what a value outside the table is made of; ``None`` for what is not known."""
    kind = type(value)
    if hasattr(kind, "__penstock_key__"):
        return [_own_key_of(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [{field.name: getattr(value, field.name, None) for field in fields(value)}]
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return list(value)
    if kind in _TAKEN_APART:
        return _TAKEN_APART[kind](value)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return [dict(value)]
    return plain_value_of(value)


_TAKEN_APART: dict[type, Callable[[Any], Sequence[object]]] = {
    OrderedDict: lambda value: list(value.items()),
    defaultdict: lambda value: [dict(value)],
    Counter: lambda value: [dict(value)],
    deque: list,
    slice: lambda value: [value.start, value.stop, value.step],
    re.Pattern: lambda value: [value.pattern, value.flags],
}
_BY_TEXT = {
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "uuid": {"UUID"},
    "zoneinfo": {"ZoneInfo"},
    "fractions": {"Fraction"},
    "ipaddress": {"IPv4Address", "IPv4Network", "IPv6Address", "IPv6Network"},
}
"""Types whose ``str`` tells equal values from others."""


def _own_key_of(value: object) -> object:
    """Return what the author says an object is to be known by: a method, property or attribute."""
    key: object = getattr(value, "__penstock_key__", None)
    return key() if callable(key) else key


def digest_of_owner(owner: object) -> bytes:
    """Return the digest of what a method belongs to: its class, and what that says of it."""
    if isinstance(owner, type) or hasattr(type(owner), "__penstock_key__"):
        return digest_of(owner)
    return _unknown(type(owner))


def _name(kind: type) -> str:
    return kind.__qualname__


def _tagged(tag: str, parts: Iterable[bytes | memoryview]) -> bytes:
    hasher = hashlib.blake2b(tag.encode(), digest_size=_SIZE)
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.digest()


def _of_text(value: object) -> bytes:
    return _tagged(type(value).__name__, [repr(value).encode("utf-8", "surrogatepass")])


def _of_bytes(value: object) -> bytes:
    return _tagged(type(value).__name__, [cast("bytes", value)])


def _of_view(value: object) -> bytes:
    view = cast("memoryview[int]", value)
    content = view if view.format == "B" and view.c_contiguous else view.tobytes()
    return _tagged("memoryview", [f"{view.format}{view.shape}".encode(), content])


def _of_sequence(value: object) -> bytes:
    return _tagged(type(value).__name__, map(digest_of, cast("list[object]", value)))


def _of_set(value: object) -> bytes:
    return _tagged(type(value).__name__, sorted(map(digest_of, cast("set[object]", value))))


def _of_dict(value: object) -> bytes:
    items = cast("dict[object, object]", value).items()
    return _tagged("dict", sorted(digest_of(key) + digest_of(item) for key, item in items))


def _of_marked(value: object) -> bytes:
    return digest_of(cast("quote[object]", value).value)


def _of_opaque(value: object) -> bytes:
    return _unknown(type(cast("opaque[object]", value).value))


def _unknown(kind: type) -> bytes:
    """Return the digest of every value of a type that is not compared."""
    return _tagged("opaque", [_name(kind).encode()])


_EXACT: dict[type, Digest] = {
    **dict.fromkeys((int, float, complex, bool, str, type(None), type(...), range), _of_text),
    **dict.fromkeys((bytes, bytearray), _of_bytes),
    memoryview: _of_view,
    **dict.fromkeys((list, tuple), _of_sequence),
    **dict.fromkeys((set, frozenset), _of_set),
    dict: _of_dict,
    **dict.fromkeys((allow_failure, quote, unmapped), _of_marked),
    opaque: _of_opaque,
}


def undigestible(value: object) -> type | None:
    """Return the type of the first part whose content the digest does not see."""
    kind = type(value)
    if kind is dict:
        items = cast("dict[object, object]", value)
        return _first([*items.keys(), *items.values()])
    if kind in (list, tuple, set, frozenset):
        return _first(cast("list[object]", value))
    if kind in (allow_failure, quote, unmapped):
        return undigestible(cast("quote[object]", value).value)
    if kind in _EXACT:
        return None
    parts = parts_of(value)
    if parts is not None:
        return _first(parts)
    return kind if digest_of(value) == _unknown(kind) else None


def _first(parts: Iterable[object]) -> type | None:
    return next((kind for part in parts if (kind := undigestible(part))), None)
