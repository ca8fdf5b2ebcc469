"""The arguments of ``.map``, taken apart into those of one call each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import IOBase
from typing import cast

from penstock.annotations import allow_failure, unmapped
from penstock.engine.identity import Spread
from penstock.errors import MappingError
from penstock.futures import PenstockFuture

Arguments = tuple[tuple[object, ...], dict[str, object]]


def argument_lists(
    task_name: str, args: tuple[object, ...], kwargs: dict[str, object]
) -> tuple[Iterator[Arguments], Spread]:
    """Return the arguments of each call, and what they have in common.

    Raises ``MappingError`` where they do not match.
    """
    positional = [_Mapped(f"argument {place}", value) for place, value in enumerate(args, 1)]
    named = {name: _Mapped(name, value) for name, value in kwargs.items()}
    length = _common_length(task_name, [*positional, *named.values()])
    places: list[tuple[int | str, _Mapped]] = [*enumerate(positional), *named.items()]
    elements = frozenset(place for place, argument in places if argument.values is not None)
    each = (
        (
            tuple(argument.at(index) for argument in positional),
            {name: argument.at(index) for name, argument in named.items()},
        )
        for index in range(length)
    )
    return each, Spread(elements)


class _Mapped:
    """One argument of a ``.map``: a list of values, or one value for all."""

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.values: list[object] | None = None
        self._tolerant = isinstance(value, allow_failure)
        self._same: object = value
        if isinstance(value, unmapped):
            self._same = value.value
            return
        inner = value.value if isinstance(value, allow_failure) else value
        if isinstance(inner, PenstockFuture):
            inner = inner.result()
        if isinstance(inner, Iterable) and not isinstance(inner, str | bytes | IOBase):
            self.values = list(cast("Iterable[object]", inner))

    def at(self, index: int) -> object:
        if self.values is None:
            return self._same
        return allow_failure(self.values[index]) if self._tolerant else self.values[index]


def _common_length(task_name: str, arguments: list[_Mapped]) -> int:
    lengths = {a.name: len(a.values) for a in arguments if a.values is not None}
    if not lengths:
        raise MappingError(
            f"{task_name}.map needs at least one iterable argument; use .submit for a single call."
        )
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise MappingError(
            f"{task_name}.map needs iterables of one length: {listed}. "
            "Wrap what is to be the same for every task in unmapped()."
        )
    return next(iter(lengths.values()))
