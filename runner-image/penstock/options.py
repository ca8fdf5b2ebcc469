"""The options of ``@flow`` and ``@task``, checked and put into the engine's terms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from penstock.engine.cache_terms import CacheQuestion
from penstock.engine.hooks import Hook, Hooks, hook_of_transaction
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.filesystems import FileSystem
    from penstock.serializers import Serializer


class ResultOptions(TypedDict, total=False):
    """The options of flows and tasks that say where results are kept."""

    persist_result: bool | None
    result_storage: FileSystem | Path | str | None
    result_serializer: Serializer | str | None
    cache_result_in_memory: bool | None


Durability = Literal["strict", "pipelined"]
"""Whether a task's result is stored before the flow goes on, or soon after."""

RunName = str | Callable[..., str]
"""A template that is filled with the parameters, or a function of them."""


def checked_timeout(options: Mapping[str, Any], option: str) -> float | None:
    """Return a time-out in seconds."""
    seconds = options.get(option)
    if seconds is not None and seconds <= 0:
        raise ValueError(f"{option} is greater than 0, or None, not {seconds!r}.")
    return None if seconds is None else float(seconds)


def checked_at_most_once(options: Mapping[str, object]) -> bool:
    """Return whether a task begins at most once; refuse what cannot be had beside that."""
    if not options.get("at_most_once"):
        return False
    if options.get("retries"):
        raise ValueError(
            "A task with at_most_once has no retries: they would begin it again. Leave one of "
            "the two out."
        )
    if options.get("persist_result") is False:
        raise ValueError(
            "A task with at_most_once is stored in the run's journal; leave persist_result=False "
            "out."
        )
    return True


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


def storage_key(template: str, question: CacheQuestion) -> str:
    """Return the key that ``result_storage_key`` makes for a call."""
    run = question.task_run
    try:
        return template.format(flow_run=run.flow_run, task_run=run, parameters=question.parameters)
    except (LookupError, AttributeError) as error:
        raise PenstockError(
            f"the result_storage_key {template!r} cannot be filled in: {error!r}."
        ) from error


def _wanted(function: Callable[..., str], arguments: Mapping[str, object]) -> dict[str, object]:
    parameters = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in parameters}


def checked_names(
    options: Mapping[str, object], *, known: Mapping[str, object], decorator: str
) -> None:
    """Refuse options that do not exist, naming those that do."""
    unknown = sorted(options.keys() - known.keys())
    if unknown:
        from penstock.absent import advice_on_option

        advice = advice_on_option(decorator, unknown[0])
        raise TypeError(
            f"@{decorator} has no option {unknown[0]}"
            + (f": {advice}" if advice else f"; it has {', '.join(known)}.")
        )


_SECONDS: tuple[Callable[[Any], bool], str] = (
    lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "a number of seconds, or None",
)
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda value: isinstance(value, str), 'a text, such as name="load"'),
    "description": (lambda value: isinstance(value, str), "a text"),
    "version": (lambda value: isinstance(value, str), 'a text, such as version="1.2"'),
    "tags": (
        lambda value: not isinstance(value, str) and all(isinstance(each, str) for each in value),
        'a list of texts, such as tags=["io"]',
    ),
    "timeout_seconds": _SECONDS,
    "total_timeout_seconds": _SECONDS,
    "heartbeat_timeout_seconds": _SECONDS,
    "retry_jitter_factor": (
        lambda value: isinstance(value, int | float) and value >= 0,
        "a number of at least 0: 0.5 stretches a delay by up to a half",
    ),
    "task_key": (
        lambda value: isinstance(value, str) and value != "",
        'a text, such as task_key="load", by which runs know the task whatever its name',
    ),
    "strict": (lambda value: isinstance(value, bool), "True, False or None"),
    "persist_result": (lambda value: isinstance(value, bool), "True, False or None"),
    "cache_result_in_memory": (lambda value: isinstance(value, bool), "True, False or None"),
    "durability": (lambda value: value in ("strict", "pipelined"), '"strict" or "pipelined"'),
    "at_most_once": (lambda value: isinstance(value, bool), "True or False"),
    "result_storage_key": (
        lambda value: isinstance(value, str) and value != "",
        'a text, such as result_storage_key="orders/{parameters[day]}"',
    ),
    "cache_expiration": (
        lambda value: isinstance(value, timedelta),
        "a timedelta, such as timedelta(hours=1)",
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
    "cache_policy": (
        lambda value: hasattr(value, "compute_key"),
        "one of penstock.cache_policies, such as cache_policy=INPUTS",
    ),
    "cache_key_fn": (
        callable,
        "a function of the context and the parameters that returns a text, or None",
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


_OF_TRANSACTIONS = frozenset({"on_commit", "on_rollback"})


def hook_of(function: Callable[..., object], *, owner: object, event: str) -> Hook:
    """Return the hook that calls ``function(owner, run, state)``, or ``function(transaction)``."""
    if event in _OF_TRANSACTIONS:
        return hook_of_transaction(function)
    name = getattr(function, "__name__", repr(function))
    return Hook(name, partial(function, owner))


def hooks_of(options: Mapping[str, object], *, events: Iterable[str], owner: object) -> Hooks:
    """Return the hooks that the options list."""
    hooks = Hooks()
    for event in events:
        for function in checked_hooks(options.get(event) or (), event=event):
            hooks.add(event, hook_of(function, owner=owner, event=event))
    return hooks
