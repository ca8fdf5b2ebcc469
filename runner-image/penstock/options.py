"""What decorators take, checked and put into the engine's terms, alike for flows and tasks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from penstock.engine.hooks import Hook, Hooks
from penstock.errors import PenstockError

Delay = float | Sequence[float] | Callable[[int], Sequence[float]]
"""Seconds before each retry: one number, a list, or a function of the number of retries."""

RunName = str | Callable[..., str]
"""A template that is filled with the parameters, or a function of them."""

_RESERVED = ("wait_for", "return_state")
_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def checked_function(function: object, *, decorator: str) -> Callable[..., object]:
    """Return the function that is decorated, if it can be."""
    if isinstance(function, staticmethod | classmethod):
        kind = type(function).__name__
        raise TypeError(f"Put @{kind} above @{decorator}, not below it.")
    if isinstance(function, type) or not callable(function):
        raise TypeError(f"@{decorator} decorates a function, not {function!r}.")
    name = getattr(function, "__name__", repr(function))
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & _GENERATORS:
        raise TypeError(f"{name} is a generator; a {decorator} returns its results, as a list say.")
    variables = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code else ()
    for reserved in _RESERVED:
        if reserved in variables:
            raise TypeError(f"Rename the parameter {reserved} of {name}: it is {decorator}'s own.")
    return function


def delays_of(delay: Delay, *, retries: int) -> tuple[float, ...]:
    """Return the seconds before each retry; the last holds for all that follow."""
    if type(retries) is not int or retries < 0:
        raise ValueError(f"retries is a number of at least 0, not {retries!r}.")
    if callable(delay):
        delay = delay(retries)
    delays = (float(delay),) if isinstance(delay, int | float) else tuple(map(float, delay))
    if any(seconds < 0 for seconds in delays):
        raise ValueError(f"retry_delay_seconds cannot be negative: {list(delays)}.")
    return delays


def checked_timeout(seconds: float | None) -> float | None:
    """Return the time-out in seconds."""
    if seconds is not None and seconds <= 0:
        raise ValueError(f"timeout_seconds is greater than 0, or None, not {seconds!r}.")
    return None if seconds is None else float(seconds)


def run_namer(
    template: RunName | None, function: Callable[..., object]
) -> Callable[[tuple[object, ...], dict[str, object]], str] | None:
    """Return what names a run after its arguments; ``None`` where there is no template."""
    if template is None:
        return None

    def name(args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        if callable(template):
            return template(**_wanted(template, bound.arguments))
        try:
            return template.format(**bound.arguments)
        except (LookupError, AttributeError) as error:
            raise PenstockError(
                f"The run name {template!r} cannot be filled in: {error!r}."
            ) from error

    return name


def _wanted(function: Callable[..., str], arguments: Mapping[str, object]) -> dict[str, object]:
    parameters = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in parameters}


def checked_names(
    options: Mapping[str, object], *, known: Mapping[str, object], decorator: str
) -> None:
    """Refuse options that do not exist, naming those that do."""
    unknown = sorted(options.keys() - known.keys())
    if unknown:
        raise TypeError(f"@{decorator} has no option {unknown[0]}; it has {', '.join(known)}.")


def checked_hooks(hooks: object, *, event: str) -> list[Callable[..., object]]:
    """Return the functions that an option such as ``on_failure`` lists."""
    listed: list[Any] = list(hooks) if isinstance(hooks, list | tuple | set) else [hooks]
    for hook in listed:
        if not callable(hook):
            raise TypeError(f"{event} is a list of functions; {hook!r} is none.")
    return listed


def hook_of(function: Callable[..., object], *, owner: object) -> Hook:
    """Return the hook that calls ``function(owner, run, state)``."""
    name = getattr(function, "__name__", repr(function))
    return Hook(name, partial(function, owner))


def hooks_of(options: Mapping[str, object], *, events: Iterable[str], owner: object) -> Hooks:
    """Return the hooks that the options list."""
    hooks = Hooks()
    for event in events:
        for function in checked_hooks(options.get(event) or (), event=event):
            hooks.add(event, hook_of(function, owner=owner))
    return hooks


def is_coroutine_function(function: Callable[..., object]) -> bool:
    """Tell whether calling the function gives something to await."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - looks at it, does not test for it
    )
