"""Tasks: the units of a flow that are retried, timed out, run side by side and reported."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Sequence
from datetime import timedelta
from functools import partial, update_wrapper
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    ParamSpec,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from penstock.calls import (
    call_task,
    given,
    outcome_of,
    outcome_of_awaited,
    streamed,
    submit_task,
    waited,
)
from penstock.drivers.threads import run_inline
from penstock.engine.caching import CacheQuestion, CacheRule
from penstock.engine.definition import Condition, Definition, Kind, RetryPolicy
from penstock.engine.runs import TaskRun
from penstock.futures import PenstockFuture, PenstockFutureList
from penstock.mapping import argument_lists
from penstock.options import (
    Delay,
    RunName,
    bound_to,
    checked_function,
    checked_hooks,
    checked_kinds,
    checked_names,
    checked_timeout,
    collected,
    delays_of,
    generator_of,
    hook_of,
    hooks_of,
    is_coroutine_function,
    run_namer,
    unwrapped,
)
from penstock.states import State

if TYPE_CHECKING:
    from penstock.cache_policies import CachePolicy

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H", bound=Callable[..., Any])

Hook = Callable[..., Any]
"""Called with the task, its run and the state; may be async."""

_EVENTS = ("on_running", "on_completion", "on_failure")

__all__ = ["Task", "TaskOptions", "exponential_backoff", "task"]


class TaskOptions(TypedDict, total=False):
    """The options of ``@task`` and ``Task.with_options``."""

    name: str | None
    description: str | None
    tags: Iterable[str] | None
    retries: int
    retry_delay_seconds: Delay
    retry_jitter_factor: float | None
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], Any] | None
    timeout_seconds: float | None
    log_prints: bool | None
    cache_policy: CachePolicy | None
    cache_key_fn: Callable[[CacheQuestion, dict[str, Any]], str | None] | None
    cache_expiration: timedelta | None
    refresh_cache: bool | None
    on_running: Sequence[Hook] | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    task_run_name: RunName | None


class Task(Generic[P, R]):
    """A function that became a task. Made by ``@task``."""

    def __init__(self, fn: Callable[P, R], **options: Unpack[TaskOptions]) -> None:
        checked_names(options, known=TaskOptions.__annotations__, decorator="task")
        checked_kinds(options, decorator="task")
        self.fn, self._binding = unwrapped(fn)
        """The function itself; calling it runs no task."""
        self.options = options
        self.definition = self._define(checked_function(self.fn, decorator="task"))
        self.name = self.definition.name
        self.description = options.get("description") or self.fn.__doc__
        self.tags = self.definition.tags
        self.retries = self.definition.retry.retries
        self.timeout_seconds = self.definition.timeout_seconds
        update_wrapper(self, self.fn)

    def _define(self, function: Callable[..., object]) -> Definition:
        options = self.options
        own_name = getattr(function, "__name__", type(function).__name__)
        name = options.get("name") or own_name
        return Definition(
            kind=Kind.TASK,
            name=name,
            identity=f"{name}({getattr(function, '__qualname__', own_name)})",
            body=collected(function, stream=generator_of(function)),
            stream=generator_of(function),
            is_async=is_coroutine_function(function),
            retry=self._retry_policy(),
            timeout_seconds=checked_timeout(options.get("timeout_seconds")),
            run_name=run_namer(options.get("task_run_name"), function),
            tags=frozenset(options.get("tags") or ()),
            log_prints=options.get("log_prints"),
            cache=self._cache_rule(),
            hooks=hooks_of(cast("Any", options), events=_EVENTS, owner=self),
        )

    def _cache_rule(self) -> CacheRule | None:
        options = self.options
        policy, key_fn = options.get("cache_policy"), options.get("cache_key_fn")
        if key_fn is None and (policy is None or not policy.parts):
            return None
        from penstock.results import MEMORY

        def key_of(question: CacheQuestion) -> str | None:
            if key_fn is not None:
                return key_fn(question, dict(question.parameters))
            return policy.compute_key(question) if policy else None

        return CacheRule(
            key_of=key_of,
            results=MEMORY,
            expiration=options.get("cache_expiration"),
            refresh=bool(options.get("refresh_cache")),
        )

    def _retry_policy(self) -> RetryPolicy:
        options = self.options
        retries = options.get("retries", 0)
        asked = options.get("retry_condition_fn")
        condition: Condition | None = partial(asked, self) if asked else None
        return RetryPolicy(
            retries=retries,
            delays=delays_of(options.get("retry_delay_seconds", 0.0), retries=retries),
            jitter_factor=options.get("retry_jitter_factor") or 0.0,
            condition=condition,
        )

    def with_options(self, **options: Unpack[TaskOptions]) -> Task[P, R]:
        """Return the same task with some options changed."""
        merged = cast("TaskOptions", {**self.options, **options})
        fn: Callable[P, R] = self._binding(self.fn) if self._binding else self.fn
        return Task(fn, **merged)

    def on_running(self, hook: H) -> H:
        """Call ``hook(task, task_run, state)`` when a run begins."""
        return self._add_hook("on_running", hook)

    def on_completion(self, hook: H) -> H:
        """Call ``hook(task, task_run, state)`` when a run has completed."""
        return self._add_hook("on_completion", hook)

    def on_failure(self, hook: H) -> H:
        """Call ``hook(task, task_run, state)`` when a run has failed for good."""
        return self._add_hook("on_failure", hook)

    def _add_hook(self, event: str, hook: H) -> H:
        listed = checked_hooks(cast("Any", self.options).get(event) or (), event=event)
        self.options = cast("TaskOptions", {**self.options, event: [*listed, hook]})
        self.definition.hooks.add(event, hook_of(hook, owner=self))
        return hook

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
        if self.definition.stream is not None and not return_state:
            return streamed(call)
        if self.definition.is_async:
            from penstock.drivers.loops import run_awaited

            return outcome_of_awaited(run_awaited(call), return_state=return_state)
        state = run_inline(call)
        return given(state) if return_state else outcome_of(state)

    @overload
    def submit(
        self: Task[..., Generator[T, Any, Any]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFuture[list[T]]: ...
    @overload
    def submit(
        self: Task[..., AsyncGenerator[T, Any]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFuture[list[T]]: ...
    @overload
    def submit(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFuture[T]: ...
    @overload
    def submit(
        self: Task[..., T],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFuture[T]: ...
    @overload
    def submit(
        self: Task[..., Generator[T, Any, Any]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> State[list[T]]: ...
    @overload
    def submit(
        self: Task[..., AsyncGenerator[T, Any]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> State[list[T]]: ...
    @overload
    def submit(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> State[T]: ...
    @overload
    def submit(
        self: Task[..., T],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> State[T]: ...

    def submit(
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the task beside the flow and return its future.

        It starts when every future among its arguments and in ``wait_for`` has completed. With
        ``return_state=True`` this waits and returns the final state, which takes its failure.
        """
        future = submit_task(self.definition, args, kwargs, wait_for=waited(wait_for))
        if not return_state:
            return future
        future.wait()
        return future.state

    @overload
    def map(
        self: Task[..., Generator[T, Any, Any]],
        *args: Any,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFutureList[list[T]]: ...
    @overload
    def map(
        self: Task[..., AsyncGenerator[T, Any]],
        *args: Any,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFutureList[list[T]]: ...
    @overload
    def map(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFutureList[T]: ...
    @overload
    def map(
        self: Task[..., T],
        *args: Any,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFutureList[T]: ...

    def map(
        self,
        *args: Any,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Submit the task once for each element of its iterable arguments; return the futures.

        All iterables have the same length. ``unmapped(x)``, strings and what cannot be iterated
        are handed to every task as they are; a future is waited for and mapped over.
        """
        upstreams = waited(wait_for)
        return PenstockFutureList(
            submit_task(self.definition, each, named, wait_for=upstreams, index=index)
            for index, (each, named) in enumerate(argument_lists(self.name, args, kwargs))
        )

    def __get__(self, instance: object, owner: type | None = None) -> Task[..., R]:
        bound = bound_to(self.fn, instance, owner, binding=self._binding)
        return self if bound is None else Task(bound, **self.options)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(fn: Callable[P, R] | None = None, /, **options: Unpack[TaskOptions]) -> Any:
    """Make a function a task: ``@task`` or ``@task(retries=3)``.

    ``retries`` attempts follow a failed one after ``retry_delay_seconds`` (a number, a list, or a
    function of the number of retries), stretched at random by up to ``retry_jitter_factor`` of
    itself, unless ``retry_condition_fn(task, task_run, state)`` says no. ``timeout_seconds``
    bounds one attempt.
    """
    if fn is None:
        return lambda function: Task(function, **options)
    return Task(fn, **options)


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return retry delays that double each time, beginning with ``backoff_factor`` seconds."""

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**retry for retry in range(retries)]

    return delays
