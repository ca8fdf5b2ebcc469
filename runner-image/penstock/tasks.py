"""Tasks: the units of a flow that are retried, timed out, run side by side and reported."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from penstock.absent import refuse_absent
from penstock.calls import call_task, waited
from penstock.decorated import H, Hook
from penstock.engine.cache_terms import CacheQuestion, CacheRule
from penstock.engine.definition import Definition, Kind, RetryPolicy
from penstock.engine.runs import TaskRun
from penstock.inline import run_here
from penstock.options import ResultOptions, RunName, checked_at_most_once, checked_timeout
from penstock.retry_delays import Delay, exponential_backoff
from penstock.states import State
from penstock.submitting import Submitting

if TYPE_CHECKING:
    from penstock.cache_policies import CachePolicy

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
T = TypeVar("T")

_CACHE_OPTIONS = ("cache_policy", "cache_key_fn", "cache_expiration", "result_storage_key")

__all__ = ["Task", "TaskOptions", "exponential_backoff", "task", "task_input_hash"]


class TaskOptions(ResultOptions, total=False):
    """The options of ``@task`` and ``Task.with_options``."""

    name: str | None
    description: str | None
    tags: Iterable[str] | None
    retries: int
    retry_delay_seconds: Delay
    retry_jitter_factor: float | None
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], Any] | None
    timeout_seconds: float | None
    total_timeout_seconds: float | None
    heartbeat_timeout_seconds: float | None
    at_most_once: bool
    log_prints: bool | None
    cache_policy: CachePolicy | None
    cache_key_fn: Callable[[CacheQuestion, dict[str, Any]], str | None] | None
    cache_expiration: timedelta | None
    refresh_cache: bool | None
    result_storage_key: str | None
    on_running: Sequence[Hook] | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    on_commit: Sequence[Hook] | None
    on_rollback: Sequence[Hook] | None
    task_run_name: RunName | None
    task_key: str | None


class Task(Submitting[P, R]):
    """A function that became a task. Made by ``@task``."""

    _kind = Kind.TASK
    _known_options = TaskOptions.__annotations__
    _events = ("on_running", "on_completion", "on_failure", "on_commit", "on_rollback")
    options: TaskOptions
    # Options that Task.__getattr__ reads, as type checkers see them.
    task_run_name: RunName | None
    task_key: str | None
    cache_policy: CachePolicy | None
    cache_key_fn: Callable[[CacheQuestion, dict[str, Any]], str | None] | None
    cache_expiration: timedelta | None
    refresh_cache: bool | None
    retry_jitter_factor: float | None
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], Any] | None
    result_storage_key: str | None

    def __init__(self, fn: Callable[P, R], **options: Unpack[TaskOptions]) -> None:
        super().__init__(fn, **options)
        self.tags = self.definition.tags

    def _define(self, function: Callable[..., object]) -> Definition:
        tags = frozenset(self.options.get("tags") or ())
        return replace(
            super()._define(function),
            tags=tags,
            cache=self._cache_rule(),
            at_most_once=checked_at_most_once(self.options),
            total_timeout_seconds=checked_timeout(self.options, "total_timeout_seconds"),
            heartbeat_timeout_seconds=checked_timeout(self.options, "heartbeat_timeout_seconds"),
        )

    def _retry_policy(self) -> RetryPolicy:
        asked = self.options.get("retry_condition_fn")
        return replace(
            super()._retry_policy(),
            jitter_factor=self.options.get("retry_jitter_factor") or 0.0,
            condition=partial(asked, self) if asked else None,
        )

    def _cache_rule(self) -> CacheRule | None:
        if all(self.options.get(option) is None for option in _CACHE_OPTIONS):
            return None
        from penstock.cache_rules import rule_of

        return rule_of(cast("Any", self.options))

    def on_commit(self, hook: H) -> H:
        """Call ``hook(transaction)`` when what a run did is committed."""
        return self._add_hook("on_commit", hook)

    def on_rollback(self, hook: H) -> H:
        """Call ``hook(transaction)`` to undo what a run did, when its transaction fails."""
        return self._add_hook("on_rollback", hook)

    def with_options(self, **options: Unpack[TaskOptions]) -> Task[P, R]:
        """Return the same task with some options changed."""
        return self._with(options)

    def __get__(self, instance: object, owner: type | None = None) -> Task[..., R]:
        return self._bound(instance, owner)

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(
        self: Task[..., AsyncGenerator[T, Any]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State[list[T]]]: ...
    @overload
    def __call__(
        self: Task[..., Generator[T, Any, Any]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> State[list[T]]: ...
    @overload
    def __call__(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State[T]]: ...
    @overload
    def __call__(
        self: Task[..., T],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> State[T]: ...
    @overload
    def __call__(self, *args: Any, wait_for: Iterable[object] | None, **kwargs: Any) -> R: ...

    def __call__(  # type: ignore[misc] # P cannot be told to hold no return_state; options.py does
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the task here and return its result, or its state if told to.

        Futures among the arguments are waited for; the body gets their values.
        """
        __tracebackhide__ = True  # for pytest and IPython
        call = call_task(self.definition, args, kwargs, wait_for=waited(wait_for))
        return run_here(call, return_state=return_state)


def task_input_hash(context: CacheQuestion, parameters: Mapping[str, object]) -> str:
    """Use as ``cache_key_fn``: the task's inputs and its source decide."""
    from penstock.cache_policies import task_input_hash as hash_of

    return hash_of(context, parameters)


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(fn: Callable[P, R] | None = None, /, **options: Unpack[TaskOptions]) -> Any:
    """Make a function a task: ``@task`` or ``@task(retries=3)``.

    ``retries`` attempts follow a failed one after ``retry_delay_seconds`` (a number, a list, or a
    function of the number of retries), stretched at random by up to ``retry_jitter_factor`` of
    itself, unless ``retry_condition_fn(task, task_run, state)`` says no. ``timeout_seconds``
    bounds one attempt. Runs know the task by ``task_key``, where it is given, and by its name and
    its function's where not. ``at_most_once`` stores that the task begins, before it does: whatever
    becomes of its process, it does not begin again in that run, and fails with ``TaskInterrupted``.
    """
    if fn is None:
        return lambda function: Task(function, **options)
    return Task(fn, **options)


refuse_absent(globals())
