"""Values that others are to read: JSON that the API server takes, of a size that it keeps."""

from __future__ import annotations

import json
from typing import Any

_DIGITS = 18
"""Of an integer: the API server keeps 64 bits of it, and what is larger not as it is."""


def plain_json(value: object, *, what: str, limit: int) -> Any:
    """Return a copy of a value in JSON's types, of at most ``limit`` bytes.

    Pydantic models and dataclasses become objects. Raises ``ValueError``, in a sentence about
    ``what``, for a value that is too large or is no JSON.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, default=_jsonable)
        encoded = text.encode(errors="replace")
        plain = json.loads(encoded, parse_int=_integer)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{what} cannot be sent as JSON: {error}.") from error
    size = stored_size(plain)
    if size > limit:
        raise ValueError(
            f"{what} takes {size:,} bytes of JSON, and {limit:,} are taken: send less, or store it "
            "elsewhere and send where."
        )
    return plain


def stored_size(plain: object) -> int:
    """Return how many bytes a value of JSON's types takes where the API server keeps it."""
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    # Go escapes these for the sake of browsers.
    escaped = 5 * sum(map(text.count, "<>&")) + 3 * sum(map(text.count, "\u2028\u2029"))
    return len(text.encode()) + escaped


def _jsonable(value: object) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value)


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"an integer may have {_DIGITS} digits, not {len(digits)}")
    return int(digits)
