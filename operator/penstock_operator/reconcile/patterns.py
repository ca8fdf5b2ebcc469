"""Regular expressions of users, on an engine whose time is linear in the text.

Python's own engine backtracks: a pattern such as (a+)+$ holds the whole operator for years.
"""

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def pattern_fault(pattern: str) -> str | None:
    """Say why a pattern cannot be used, or return None."""
    try:
        _compiled(pattern)
    except SchemaError:
        return (
            f"the pattern {pattern!r} is no regular expression, is too large, or uses look-around"
            " or back-references, which are not supported"
        )
    return None


def matches(pattern: str, *, text: str) -> bool:
    """Tell whether the pattern is found anywhere in the text."""
    try:
        _compiled(pattern).validate_python(text)
    except ValidationError:
        return False
    return True
