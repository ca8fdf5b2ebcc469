"""The functions that decorators are put on: which can be, how they are bound, what they yield."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

_RESERVED = ("wait_for", "return_state")

Binding = Callable[[Callable[..., Any]], Any] | None
"""How a function in a class is bound; ``None``: to the instance."""


def unwrapped(function: Any) -> tuple[Any, Binding]:
    """Return the function that a static or class method wraps, and which of them it was."""
    if isinstance(function, staticmethod | classmethod):
        return function.__func__, type(function)
    return function, None


def bound_to(function: Any, instance: object, owner: type | None, *, binding: Binding) -> Any:
    """Return the method that an access through ``instance`` or ``owner`` means, or ``None``."""
    if binding is staticmethod:
        return None
    target = (owner or type(instance)) if binding is classmethod else instance
    return None if target is None else function.__get__(target, owner)


def checked_function(function: object, *, decorator: str) -> Callable[..., object]:
    """Return the function that is decorated, if it can be."""
    if isinstance(function, str):
        raise TypeError(
            f"@{decorator} decorates a function: write @{decorator}(name={function!r})."
        )
    if isinstance(function, type) or not callable(function):
        raise TypeError(f"@{decorator} decorates a function, not {function!r}.")
    if hasattr(function, "with_options"):
        raise TypeError(
            f"{function!r} is decorated already: @{decorator} decorates a function, which may "
            "call it."
        )
    name = getattr(function, "__name__", repr(function))
    code = getattr(function, "__code__", None)
    _warn_of_shared_defaults(function, name)
    variables = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code else ()
    for reserved in _RESERVED:
        if reserved in variables:
            raise TypeError(f"Rename the parameter {reserved} of {name}: it is {decorator}'s own.")
    return function


def _warn_of_shared_defaults(function: Callable[..., object], name: str) -> None:
    """Say it where a default is one list, dict or set for all runs."""
    positional = getattr(function, "__defaults__", None) or ()
    named = getattr(function, "__kwdefaults__", None) or {}
    for default in (*positional, *named.values()):
        if isinstance(default, list | dict | set):
            warnings.warn(
                f"{name} has the default {default!r}, one {type(default).__name__} that all runs "
                "share and may change; write None, or a tuple, and make a new one in the body.",
                stacklevel=6,
            )


def generator_of(function: Callable[..., object]) -> Callable[..., object] | None:
    """Return the function if calling it gives a generator, sync or async."""
    is_one = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    return function if is_one else None


def collected(function: Callable[..., Any], *, stream: object) -> Callable[..., object]:
    """Return a body: the function, or of a generator one that returns the list of its items."""
    if stream is None:
        return function
    if inspect.isasyncgenfunction(stream):

        async def collect_async(*args: object, **kwargs: object) -> list[object]:
            return [item async for item in function(*args, **kwargs)]

        return wraps(function)(collect_async)

    def collect(*args: object, **kwargs: object) -> list[object]:
        return list(function(*args, **kwargs))

    return wraps(function)(collect)


def is_coroutine_function(function: Callable[..., object]) -> bool:
    """Tell whether calling the function gives something to await."""
    if inspect.isasyncgenfunction(function):
        return True
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - looks at it, does not test for it
    )
