"""The programs that show rows of docs/from-prefect.md, and what notes them."""

from __future__ import annotations

from collections.abc import Callable

Program = Callable[[], object]
PROGRAMS: list[tuple[str, Program]] = []
"""The beginning of a row's first cell, and a program that does what the row says."""


def shows(*starts: str) -> Callable[[Program], Program]:
    """Note that a program shows the rows whose first cells begin so."""

    def note(program: Program) -> Program:
        PROGRAMS.extend((start, program) for start in starts)
        return program

    return note
