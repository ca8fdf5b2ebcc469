"""What decorators take, checked and put into the engine's terms, alike for flows and tasks."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, wraps
from typing import Any

from penstock.engine.hooks import Hook, Hooks
from penstock.errors import PenstockError

Delay = float | Sequence[float] | Callable[[int], Sequence[float]]
"""Seconds before each retry: one number, a list, or a function of the number of retries."""

RunName = str | Callable[..., str]
"""A template that is filled with the parameters, or a function of them."""

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
    if isinstance(function, type) or not callable(function):
        raise TypeError(f"@{decorator} decorates a function, not {function!r}.")
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
                stacklevel=5,
            )


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


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda value: isinstance(value, str), 'a text, such as name="load"'),
    "description": (lambda value: isinstance(value, str), "a text"),
    "version": (lambda value: isinstance(value, str), 'a text, such as version="1.2"'),
    "tags": (
        lambda value: not isinstance(value, str) and all(isinstance(each, str) for each in value),
        'a list of texts, such as tags=["io"]',
    ),
    "timeout_seconds": (
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "a number of seconds, or None",
    ),
    "retry_jitter_factor": (
        lambda value: isinstance(value, int | float) and value >= 0,
        "a number of at least 0: 0.5 stretches a delay by up to a half",
    ),
    "retry_condition_fn": (callable, "a function of the task, its run and its state"),
    "flow_run_name": (
        lambda value: isinstance(value, str) or callable(value),
        'a template, such as "load {day}", or a function',
    ),
    "task_run_name": (
        lambda value: isinstance(value, str) or callable(value),
        'a template, such as "load {day}", or a function',
    ),
    "task_runner": (
        lambda value: not isinstance(value, type) and hasattr(value, "open"),
        "a task runner, such as ThreadPoolTaskRunner(max_workers=4)",
    ),
}


def checked_kinds(options: Mapping[str, object], *, decorator: str) -> None:
    """Refuse values that an option cannot have, and say what it can."""
    for option, value in options.items():
        if value is None or option not in _KINDS:
            continue
        fits, wanted = _KINDS[option]
        if not fits(value):
            raise TypeError(f"{option} of @{decorator} is {wanted}, not {value!r}.")


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
