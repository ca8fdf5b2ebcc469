"""Marks on the arguments of a task call: not to be mapped over, or welcome though failed."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class unmapped(Generic[T]):  # noqa: N801 - reads as a function, as Prefect's does
    """Hand the same value to every task of a ``.map`` although it is iterable."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


class allow_failure(Generic[T]):  # noqa: N801 - the same
    """Let a task run although this input failed; the body gets the exception as its value.

    This takes the failure: it no longer fails the flow by itself.
    """

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


class opaque(Generic[T]):  # noqa: N801 - the same
    """Hand on the value, a future's result included, without a look inside it.

    For large nested results; and for values that cannot be compared, which in the key of a call
    count by their type alone.
    """

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


class quote(Generic[T]):  # noqa: N801 - the same
    """Hand the value to the body as the very object that it is: nothing is searched inside it.

    For large nested arguments, and for futures that are meant as such.
    """

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def unquote(self) -> T:
        """Return the value."""
        return self.value
