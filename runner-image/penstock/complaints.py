"""What pydantic finds wrong with values from outside, in words for whoever sent them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def complaints(error: ValidationError) -> list[str]:
    """Return a clause of one line for each problem: where it is, what is wrong, what was given."""
    return [
        " ".join(f"{_place(each['loc'])}{each['msg']} (got {_short(each['input'])})".split())
        for each in error.errors(include_url=False, include_context=False)
    ]


def _place(path: tuple[int | str, ...]) -> str:
    return f"{'.'.join(map(str, path))}: " if path else ""


def _short(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'}, a {type(value).__name__}"
