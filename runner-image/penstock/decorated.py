"""What ``@flow`` and ``@task`` make of a function alike: its definition, its hooks, its methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import update_wrapper
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    ParamSpec,
    Self,
    TypeVar,
    cast,
)

from penstock.engine.definition import Definition, Kind, RetryPolicy
from penstock.engine.results import Persistence
from penstock.functions import (
    bound_to,
    checked_function,
    collected,
    generator_of,
    is_coroutine_function,
    unwrapped,
)
from penstock.options import (
    ResultOptions,
    checked_hooks,
    checked_kinds,
    checked_names,
    checked_timeout,
    hook_of,
    hooks_of,
    run_namer,
)
from penstock.retry_delays import delays_of

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.filesystems import FileSystem
    from penstock.serializers import Serializer

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
H = TypeVar("H", bound=Callable[..., Any])

Hook = Callable[..., Any]
"""Called with the flow or task, its run and the state; may be async."""


_PERSISTENCE = (*ResultOptions.__annotations__, "result_storage_key")


class Decorated(Generic[P, R]):
    """A function under a decorator, the options given, and what the engine makes of them."""

    _kind: ClassVar[Kind]
    _known_options: ClassVar[Mapping[str, object]]
    _events: ClassVar[Iterable[str]]
    """The options that list hooks."""

    log_prints: bool | None
    persist_result: bool | None
    result_storage: FileSystem | Path | str | None
    result_serializer: Serializer | str | None
    cache_result_in_memory: bool | None

    def __init__(self, fn: Callable[P, R], **options: Any) -> None:
        decorator = self._kind.value
        checked_names(options, known=self._known_options, decorator=decorator)
        checked_kinds(options, decorator=decorator)
        self.fn: Callable[P, R]
        """The function itself; calling it makes no run."""
        self.fn, self._binding = unwrapped(fn)
        self.options: Any = options
        self.definition = self._define(checked_function(self.fn, decorator=decorator))
        self.name = self.definition.name
        self.description = options.get("description") or self.fn.__doc__
        self.retries = self.definition.retry.retries
        self.retry_delay_seconds = options.get("retry_delay_seconds", 0.0)
        self.timeout_seconds = self.definition.timeout_seconds
        update_wrapper(cast("Any", self), self.fn)

    def _define(self, function: Callable[..., object]) -> Definition:
        options, kind = self.options, self._kind
        own_name = getattr(function, "__name__", type(function).__name__)
        name = options.get("name") or self._default_name(own_name)
        task_key = options.get("task_key")
        return Definition(
            kind=kind,
            name=name,
            identity=task_key or f"{name}({getattr(function, '__qualname__', own_name)})",
            is_keyed=task_key is not None,
            is_strict=options.get("strict"),
            body=collected(function, stream=generator_of(function)),
            stream=generator_of(function),
            is_async=is_coroutine_function(function),
            retry=self._retry_policy(),
            timeout_seconds=checked_timeout(options, "timeout_seconds"),
            run_name=run_namer(options.get(f"{kind.value}_run_name"), function),
            log_prints=options.get("log_prints"),
            version=options.get("version"),
            author=self,
            persistence=_persistence_in(options),
            hooks=hooks_of(options, events=self._events, owner=self),
        )

    def _default_name(self, own_name: str) -> str:
        return own_name

    def _retry_policy(self) -> RetryPolicy:
        retries = self.options.get("retries", 0)
        delay = self.options.get("retry_delay_seconds", 0.0)
        return RetryPolicy(retries=retries, delays=delays_of(delay, retries=retries))

    def _with(self, changed: Mapping[str, Any]) -> Self:
        fn = self._binding(self.fn) if self._binding else self.fn
        return type(self)(fn, **{**self.options, **changed})

    def _bound(self, instance: object, owner: type | None) -> Self:
        """Return the method that an access through ``instance`` or ``owner`` means."""
        method = bound_to(self.fn, instance, owner, binding=self._binding)
        return self if method is None else type(self)(method, **self.options)

    def on_running(self, hook: H) -> H:
        """Call ``hook`` with this flow or task, the run and its state when a run begins."""
        return self._add_hook("on_running", hook)

    def on_completion(self, hook: H) -> H:
        """Call ``hook`` with this flow or task, the run and its state when a run has completed."""
        return self._add_hook("on_completion", hook)

    def on_failure(self, hook: H) -> H:
        """Call ``hook`` with this flow or task, the run and its state when a run has failed."""
        return self._add_hook("on_failure", hook)

    def _add_hook(self, event: str, hook: H) -> H:
        listed = checked_hooks(self.options.get(event) or (), event=event)
        self.options = {**self.options, event: [*listed, hook]}
        self.definition.hooks.add(event, hook_of(hook, owner=self, event=event))
        return hook

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    if not TYPE_CHECKING:  # a checker that saw it would take every name

        def __getattr__(self, name: str) -> Any:
            from penstock.absent import advice_on_member

            kind = self._kind.value
            if advice := advice_on_member(kind, name):
                raise AttributeError(f"A {kind} has no {name}: {advice}")
            if name in self._known_options:
                return self.options.get(name)
            raise AttributeError(f"A {kind} has no attribute {name!r}.")


def _persistence_in(options: Mapping[str, Any]) -> Persistence | None:
    if all(options.get(name) is None for name in _PERSISTENCE):
        return None
    from penstock.persistence import persistence_of

    return persistence_of(options)
