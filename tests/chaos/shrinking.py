"""The smallest program, and the fewest faults, that still break a promise.

Each statement of a program, nested ones too, and each fault planned for it is a part with a name:
`s0`, `s1`, … in the order of reading, `f0`, `f1`, …. What is left out is named, so that a program
that was made smaller can be played again by its seed and those names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import count

from tests.chaos.faults import Planned
from tests.chaos.program import Program, Statement, SubFlow

Parts = frozenset[str]


def parts_of(program: Program, faults: Sequence[Planned]) -> tuple[str, ...]:
    """Return the names of all that can be left out."""
    statements = sum(1 for _ in _all(program.body))
    return (
        *(f"f{number}" for number in range(len(faults))),
        *(f"s{number}" for number in range(statements)),
    )


def without(
    program: Program, faults: Sequence[Planned], left_out: Collection[str]
) -> tuple[Program, tuple[Planned, ...]]:
    """Return what is left of them."""
    numbers = count()

    def rest(body: Sequence[Statement]) -> Iterator[Statement]:
        for statement in body:
            is_left = f"s{next(numbers)}" not in left_out
            smaller = statement
            if isinstance(statement, SubFlow):  # what is in it has its number in any case
                smaller = replace(statement, body=tuple(rest(statement.body)))
            if is_left:
                yield smaller

    planned = [each for number, each in enumerate(faults) if f"f{number}" not in left_out]
    return replace(program, body=tuple(rest(program.body))), tuple(planned)


def shrunk(
    parts: Sequence[str], *, which_fail: Callable[[Sequence[Parts]], Sequence[bool]]
) -> Parts:
    """Return what can be left out so that it still fails, and nothing more can.

    `which_fail` plays programs without the parts that are named, all at once. Halves are left out
    first, then less and less (delta debugging: Zeller and Hildebrandt, 2002).
    """
    left_out: Parts = frozenset()
    size = max(1, len(parts) // 2)
    while left := [each for each in parts if each not in left_out]:
        chunks = [left[start : start + size] for start in range(0, len(left), size)]
        tried = [left_out.union(chunk) for chunk in chunks]
        failing = [each for each, fails in zip(tried, which_fail(tried), strict=True) if fails]
        if failing:
            left_out = failing[0]
            size = min(size, max(1, len(parts) - len(left_out)))
        elif size == 1:
            break
        else:
            size //= 2
    return left_out


def _all(body: Sequence[Statement]) -> Iterator[Statement]:
    for statement in body:
        yield statement
        if isinstance(statement, SubFlow):
            yield from _all(statement.body)
