"""Arguments that a body has changed: the journal knows the call by what they were before.

Whoever holds the same object sees the change, but not when the run is taken up again: then the body
does not run.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, cast

from penstock.annotations import opaque
from penstock.drivers.keys import parameter_at
from penstock.engine.digest import digest_of, parts_of
from penstock.engine.inputs import CONSTANTS, holds_links
from penstock.errors import MutatedArgument

if TYPE_CHECKING:
    from penstock.drivers.call import LiveCall
    from penstock.engine.identity import CallKey

LARGEST = 64 * 1024
"""Bytes of an argument that is looked at again."""


def warn_of_mutation(key: CallKey, *, call: LiveCall) -> None:
    """Warn, or raise in a strict flow, if an argument is not what it was when the call was made."""
    for (place, value), (_, before) in zip(_arguments(call), key.arguments, strict=True):
        if type(value) in CONSTANTS or type(value) is opaque or _room_after(value, LARGEST) < 0:
            continue
        if digest_of(value) != before:
            name = parameter_at(call.definition.body, place)
            message = (
                f"The argument {name} of {call.run.name} was changed between the call and its end. "
                "When the run is taken up again, its result is found and the change is missing: "
                "let the task work on a copy, and return what is new."
            )
            if call.is_strict:
                raise MutatedArgument(message)
            warnings.warn(message, MutatedArgument, stacklevel=2)


def _arguments(call: LiveCall) -> Iterator[tuple[int | str, object]]:
    """Return what the key was computed of: the arguments as given, or with futures resolved."""
    args, kwargs = call.args, call.kwargs
    if call.scope is not None and call.upstreams and holds_links((args, kwargs)):
        args, kwargs = call.scope.arguments
    yield from enumerate(args)
    yield from ((name, kwargs[name]) for name in sorted(kwargs))


def _room_after(value: object, room: int) -> int:
    """Return what is left of some bytes; less than none for what is larger, or unknown."""
    unseen = [value]
    while unseen and room >= 0:
        part = unseen.pop()
        kind = type(part)
        if kind in _CONTAINERS:
            inside = cast("Collection[object]", part)
            room -= 8 * len(inside)
            if room >= 0:
                unseen += inside
                if kind is dict:
                    unseen += cast("dict[object, object]", part).values()
        elif kind in _SIZED:
            room -= len(cast("bytes", part))
        elif kind not in CONSTANTS:
            room -= _size_of(part, unseen)
    return room


_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
_SIZED = frozenset({str, bytes, bytearray})


def _size_of(value: object, unseen: list[object]) -> int:
    """Return the bytes of what is no builtin; its parts are added to those that are unseen."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    parts = parts_of(value)
    unseen += parts or ()
    return LARGEST + 1 if parts is None else 8
