"""Flows: the functions that call tasks, and whose runs Penstock reports."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
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

from penstock.absent import refuse_absent, refusing_options
from penstock.calls import call_flow, waited
from penstock.decorated import Decorated, Hook
from penstock.drivers.call import LiveCall
from penstock.drivers.context import RunContext
from penstock.drivers.places import TaskRunner
from penstock.drivers.scope import current_scope
from penstock.engine.definition import Definition, Kind
from penstock.engine.inputs import holds_links, holds_marks
from penstock.engine.runs import FlowRun
from penstock.functions import collected
from penstock.inline import run_here
from penstock.logging import show_by_default
from penstock.options import Durability, ResultOptions, RunName
from penstock.parameters import bind, coerce
from penstock.retry_delays import Delay
from penstock.states import State
from penstock.uncaught import hide_engine_by_default

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.cli.render import ConcurrencyLimitConfig
    from penstock.serving import Deployment, DeploymentOptions, ScheduleOptions

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
T = TypeVar("T")
H = TypeVar("H", bound=Callable[..., Any])

__all__ = ["Flow", "FlowOptions", "flow"]


class FlowOptions(ResultOptions, total=False):
    """The options of ``@flow`` and ``Flow.with_options``."""

    name: str | None
    description: str | None
    version: str | None
    retries: int
    retry_delay_seconds: Delay
    timeout_seconds: float | None
    durability: Durability
    validate_parameters: bool
    flow_run_name: RunName | None
    task_runner: TaskRunner | None
    log_prints: bool | None
    strict: bool | None
    on_running: Sequence[Hook] | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    on_cancellation: Sequence[Hook] | None
    on_crashed: Sequence[Hook] | None


class Flow(Decorated[P, R]):
    """A function that became a flow. Made by ``@flow``."""

    _kind = Kind.FLOW
    _known_options = FlowOptions.__annotations__
    _events = ("on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed")
    options: FlowOptions
    # Options that Flow.__getattr__ reads, as type checkers see them.
    flow_run_name: RunName | None
    task_runner: TaskRunner | None

    def __init__(self, fn: Callable[P, R], **options: Unpack[FlowOptions]) -> None:
        super().__init__(fn, **options)
        self.version = options.get("version")

    def _default_name(self, own_name: str) -> str:
        return own_name.replace("_", "-")

    def with_options(self, **options: Unpack[FlowOptions]) -> Flow[P, R]:
        """Return the same flow with some options changed."""
        return self._with(options)

    def __get__(self, instance: object, owner: type | None = None) -> Flow[..., R]:
        return self._bound(instance, owner)

    def on_cancellation(self, hook: H) -> H:
        """Call ``hook`` with the flow, the run and its state when a run was cancelled."""
        return self._add_hook("on_cancellation", hook)

    def on_crashed(self, hook: H) -> H:
        """Call ``hook`` with the flow, the run and its state when a run has crashed."""
        return self._add_hook("on_crashed", hook)

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(
        self: Flow[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State[T]]: ...
    @overload
    def __call__(
        self: Flow[..., T],
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
        """Run the flow in this process and return its result, or its state if told to.

        Inside another flow this makes a sub-flow. Raises ``ParameterError`` before anything runs
        if the parameters do not fit the signature and its type hints.
        """
        __tracebackhide__ = True  # for pytest and IPython; see uncaught.py for the rest
        show_by_default()
        hide_engine_by_default()
        call = self.prepare(args, kwargs, wait_for=waited(wait_for))
        return run_here(call, return_state=return_state)

    def prepare(
        self,
        args: tuple[object, ...],
        kwargs: dict[str, object],
        *,
        wait_for: tuple[object, ...] = (),
        context: RunContext | None = None,
        definition: Definition | None = None,
        checked: bool = False,
    ) -> LiveCall:
        """Return a validated call that a driver can run; for Penstock's own use.

        ``checked`` arguments were validated when the run began, and are taken as they are.
        """
        definition = definition or self.definition
        bound = bind(self.fn, args, kwargs, flow_name=self.name)
        linked = holds_links((args, kwargs)) or holds_marks(args, kwargs)
        if linked:  # their values come later: validate when they are there
            body, stream = self._validating_body(), self.definition.stream
            definition = replace(
                definition,
                body=collected(body, stream=stream),
                stream=body if stream else None,
            )
        elif self.options.get("validate_parameters", True) and not checked:
            coerce(self.fn, bound, flow_name=self.name)
        bound.apply_defaults()
        call = call_flow(
            definition,
            bound.args,
            bound.kwargs,
            wait_for=wait_for,
            runner=self.options.get("task_runner"),
            context=context,
            linked=linked,
        )
        if not linked:
            cast("FlowRun", call.run).parameters = bound.arguments
        return call

    def validate_parameters(self, parameters: Mapping[str, object]) -> dict[str, object]:
        """Return the parameters as a run would get them, without its defaults.

        Raises ``ParameterError``, naming each that does not fit.
        """
        bound = bind(self.fn, (), dict(parameters), flow_name=self.name)
        if self.options.get("validate_parameters", True):
            coerce(self.fn, bound, flow_name=self.name)
        return dict(bound.arguments)

    @refusing_options("serve")
    def serve(
        self, name: str | None = None, *, limit: int = 5, **options: Unpack[DeploymentOptions]
    ) -> None:
        """Run the flow here whenever it is due, until Ctrl-C; no more than ``limit`` at once."""
        from penstock.serving import serve

        serve(self.to_deployment(name, **options), limit=limit)

    @refusing_options("to_deployment")
    def to_deployment(
        self, name: str | None = None, **options: Unpack[DeploymentOptions]
    ) -> Deployment:
        """Return the flow with its schedules and parameters, for ``penstock.serve``.

        ``tags`` are those of its runs and of their tasks.
        """
        from penstock.serving import deployment_of

        return deployment_of(self, name or self.name, **options)

    @refusing_options("deploy")
    def deploy(
        self,
        name: str | None = None,
        *,
        image: str,
        work_pool_name: str | None = None,
        work_queue_name: str | None = None,
        concurrency_limit: int | ConcurrencyLimitConfig | None = None,
        namespace: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> dict[str, Any]:
        """Apply the flow to the cluster that kubectl means, print the object and return it.

        Each schedule (``cron``, ``interval``, ``rrule``, ``schedule``, ``schedules``) becomes a
        Schedule object, named after the flow. The image is built and pushed before; it holds
        the file that the flow is in. Runs beyond ``concurrency_limit`` wait, unless a
        ``ConcurrencyLimitConfig`` says otherwise.
        """
        from penstock.cli.render import ConcurrencyLimitConfig, Rendering
        from penstock.deploying import deploy_flow
        from penstock.serving import ScheduleOptions, refuse_unknown, schedules_of

        refuse_unknown(options, known=ScheduleOptions.__annotations__)
        limit = concurrency_limit
        return deploy_flow(
            self,
            options=Rendering(
                image=image,
                name=name,
                pool=work_pool_name,
                queue=work_queue_name,
                concurrency=ConcurrencyLimitConfig(limit) if isinstance(limit, int) else limit,
                namespace=namespace,
            ),
            parameters=options.get("parameters") or {},
            schedules=schedules_of(options),
        )

    @classmethod
    def from_source(
        cls, source: str | Path, entrypoint: str, *, ref: str | None = None
    ) -> Flow[..., Any]:
        """Return a flow of a folder, or of a Git repository whose address this is.

        ``entrypoint`` is ``path/to/file.py:function``, counted from there. A repository is cloned
        by `git`, without its history, at ``ref`` (a branch or tag); the clone goes when the
        process ends.
        """
        from penstock.sources import flow_of_source

        return flow_of_source(source, entrypoint, ref=ref)

    def _validating_body(self) -> Callable[..., object]:
        @wraps(self.fn)  # so that its signature is the flow's
        def body(*args: object, **kwargs: object) -> object:
            bound = bind(self.fn, args, kwargs, flow_name=self.name)
            if self.options.get("validate_parameters", True):
                coerce(self.fn, bound, flow_name=self.name)
            bound.apply_defaults()
            if (scope := current_scope.get()) is not None and isinstance(scope.run, FlowRun):
                scope.run.parameters = bound.arguments
            return cast("Any", self.fn)(*bound.args, **bound.kwargs)

        return body


class FlowDecorator:
    """What ``flow`` is: a decorator that also has ``from_source``, as Prefect's has."""

    from_source = staticmethod(Flow.from_source)

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Flow[P, R]: ...
    @overload
    def __call__(
        self, /, **options: Unpack[FlowOptions]
    ) -> Callable[[Callable[P, R]], Flow[P, R]]: ...

    def __call__(self, fn: Callable[P, R] | None = None, /, **options: Unpack[FlowOptions]) -> Any:
        """Make a function a flow: ``@flow`` or ``@flow(retries=2)``.

        A retried flow runs its body again, but no task that has finished. ``timeout_seconds``
        bounds one attempt. ``flow_run_name`` is a template such as ``"load {day}"``. ``strict``
        makes errors of what may lead the run astray when it is taken up again.
        ``durability="pipelined"`` lets the flow go on before a task's result is stored.
        """
        if fn is None:
            return lambda function: Flow(function, **options)
        return Flow(fn, **options)


flow = FlowDecorator()

refuse_absent(globals())
