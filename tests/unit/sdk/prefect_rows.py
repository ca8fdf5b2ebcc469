"""Programs that show rows of docs/from-prefect.md: hooks, contexts, runners, variables, errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import count
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from penstock import Task, Variable, flow, tags, task, unmapped, wait
from penstock.states import Completed, Failed, State

from .shown import PROGRAMS, shows

UNCACHED = count()
"""What no run of a program has cached before."""


@task
def double(x: int) -> int:
    return x * 2


@shows("@flow(on_completion", "@task(on_completion", "Flow.on_failure")
def hooks() -> None:
    heard: list[str] = []

    def hear(_owner: object, run: Any, state: State[Any]) -> None:
        heard.append(f"{run.name} {state.name}")

    @task(on_running=[hear], on_completion=[hear])
    def step() -> None: ...

    @flow(flow_run_name="f", on_running=[hear], on_failure=[hear], on_crashed=[hear])
    def failing() -> None:
        step()
        raise ValueError

    failing.on_failure(hear)
    step.on_completion(hear)
    failing(return_state=True)

    assert heard[:2] == ["f Running", "step-0 Running"]
    assert heard[2:] == ["step-0 Completed"] * 2 + ["f Failed"] * 2


@shows("tags", "context.")
def contexts() -> None:
    from penstock import context

    @task
    def step(x: int) -> tuple[object, ...]:
        here, around = context.get_run_context(), context.FlowRunContext.get()
        assert isinstance(here, context.TaskRunContext)
        assert around is not None
        return here.task_run.tags, here.parameters, around.flow_run.flow_name

    @flow
    def tagged() -> tuple[object, ...]:
        with tags("a"), context.tags("b"):
            return step(1)

    assert tagged() == ({"a", "b"}, {"x": 1}, "tagged")


@shows("task_runners.ThreadPoolTaskRunner", "task_runners.TaskRunner", "Task.submit` and")
def threads() -> None:
    """What runs in processes, on Dask and on Ray is in tests/integration."""
    from penstock.task_runners import TaskRunner, ThreadPoolTaskRunner

    runner: TaskRunner = ThreadPoolTaskRunner(max_workers=1)

    @flow(task_runner=runner)
    def one_by_one() -> list[int]:
        return double.map([1, 2, 3]).result()

    assert one_by_one() == [2, 4, 6]
    assert double.submit(1).result() + sum(double.map([1]).result()) == 4


@shows("task_runners.ProcessPoolTaskRunner", "prefect_dask")
def other_runners() -> None:
    from penstock.task_runners import DaskTaskRunner, ProcessPoolTaskRunner, RayTaskRunner

    assert ProcessPoolTaskRunner(max_workers=2, initializer=print, initargs=("warm",))
    assert DaskTaskRunner(cluster_kwargs={"n_workers": 1})
    assert RayTaskRunner(address="auto")


@shows("variables.Variable", "blocks.system")
def variables_and_secrets() -> None:
    from penstock.blocks.system import Secret
    from penstock.testing import isolated_home

    async def in_loop() -> object:
        await Variable.aset("limit", 2, overwrite=True)
        assert (await Secret.aload("key")).get() == "s3"
        return await Variable.aget("limit")

    with isolated_home():
        Variable.set("limit", 1)
        Secret("s3").save("key")
        assert (Variable.get("limit"), Secret.load("key").get()) == (1, "s3")
        assert asyncio.run(in_loop()) == 2
        assert Variable.unset("limit")
        assert Variable.get("limit", default=7) == 7


@shows("exceptions.")
def exceptions_to_catch() -> None:
    from penstock import exceptions, get_run_logger

    @flow
    def typed(x: int) -> int:
        return x

    with pytest.raises(exceptions.ParameterTypeError):
        typed("seven")  # type: ignore[arg-type] # on purpose
    with pytest.raises(exceptions.ParameterBindError):
        typed(y=1)  # type: ignore[call-overload] # on purpose
    with pytest.raises(exceptions.SignatureMismatchError):
        typed()  # type: ignore[call-overload] # on purpose
    with pytest.raises(exceptions.MappingMissingIterable):
        double.map(unmapped(1))
    with pytest.raises(exceptions.MappingLengthMismatch):
        double.map([1], [2, 3])
    with pytest.raises(exceptions.MissingContextError):
        get_run_logger()
    for name in ("CrashedRun", "FailedRun", "MissingResult", "SerializationError"):
        assert issubclass(getattr(exceptions, name), exceptions.PenstockException)


@shows("utilities.annotations")
def annotations_by_their_path() -> None:
    from penstock.utilities.annotations import allow_failure, opaque, quote

    @flow
    def marked() -> list[int]:
        return [double(mark(1)) for mark in (allow_failure, opaque, quote)]

    assert marked() == [2, 2, 2]


@shows("locking.")
def locks() -> None:
    from penstock.locking.filesystem import FileSystemLockManager
    from penstock.locking.memory import MemoryLockManager

    with TemporaryDirectory() as folder:
        for manager in (MemoryLockManager(), FileSystemLockManager(folder)):
            assert manager.acquire_lock("key", holder="a", acquire_timeout=1)
            assert manager.is_locked("key")
            manager.release_lock("key", holder="a")
            assert not manager.is_locked("key")


@shows("CachePolicy.from_cache_key_fn")
def policies_of_one_s_own() -> None:
    from penstock.cache_policies import RUN_ID, CachePolicy

    class Constant(CachePolicy):
        def compute_key(
            self, task_ctx: Any, inputs: Any, flow_parameters: Any, **_: Any
        ) -> str | None:
            return f"{task_ctx.task.name} {flow_parameters}"

    def name_of(context: Any, parameters: dict[str, Any]) -> str:
        return str(context.task.name)

    @flow(validate_parameters=False)
    def run(policy: CachePolicy) -> list[str]:
        cached = Task(double.fn, name="cached", cache_policy=policy + RUN_ID)
        return [cached(x, return_state=True).name for x in (1, 2)]

    for policy in (Constant(), CachePolicy.from_cache_key_fn(name_of)):
        assert run(policy) == ["Completed", "Cached"]


@shows("testing.utilities")
def harness() -> None:
    from penstock.testing.utilities import penstock_test_harness

    with penstock_test_harness():
        Variable.set("inside", 1)
    assert Variable.get("inside") is None


@shows("yield`")
def streams() -> None:
    @task
    def letters(text: str) -> Iterator[str]:
        yield from text

    @flow
    async def later(text: str) -> AsyncIterator[str]:
        for letter in letters(text):
            yield letter

    async def read() -> list[str]:
        return [letter async for letter in later("ab")]

    assert asyncio.run(read()) == ["a", "b"]
    assert flow(lambda: letters.submit("ab").result())() == ["a", "b"]


@shows("staticmethod`")
def methods() -> None:
    class Shop:
        @task
        @staticmethod
        def closing(day: int) -> int:
            return day + 2

        @task
        @classmethod
        def name(cls) -> str:
            return cls.__name__

    @flow
    def open_shop() -> tuple[int, str]:
        return Shop.closing.submit(1).result(), Shop.name()

    assert open_shop() == (3, "Shop")


@shows("Flow.__call__")
def nested_flows() -> None:
    @flow
    def countdown(n: int) -> int:
        return 0 if n == 0 else 1 + countdown(n - 1)

    assert countdown(5) == 5


@shows("tasks.TaskOptions", "tasks.task_input_hash", "cache_policies.")
def caching_by_other_names() -> None:
    from penstock import cache_policies
    from penstock.tasks import TaskOptions, task_input_hash

    ran: list[int] = []
    options: TaskOptions = {"cache_key_fn": task_input_hash, "cache_expiration": timedelta(hours=1)}

    def note(x: int) -> int:
        ran.append(x)
        return x

    hashed = Task(note, **options)
    parts = cache_policies.TASK_SOURCE + cache_policies.INPUTS
    policy: cache_policies.CachePolicy = parts + cache_policies.RUN_ID
    again = Task(note, cache_policy=policy + cache_policies.FLOW_PARAMETERS, name="again")

    @flow
    def run() -> None:
        for kind in (hashed, hashed, again, again):
            kind(first)
        task(cache_policy=cache_policies.NO_CACHE)(note)(-1)
        task(cache_policy=cache_policies.DEFAULT)(note)(-2)

    first = next(UNCACHED)
    run()
    assert ran == [first, first, -1, -2]


@shows("states.Cancelled", "futures.DoneAndNotDoneFutures")
def states_by_name() -> None:
    from penstock import states

    for state in (states.Cancelled(message="no"), states.Crashed(message="no")):
        ended: State[object] = flow(lambda: state)(return_state=True)  # noqa: B023 - called here
        assert ended == state
    assert asyncio.run(states.Completed(data=1).aresult()) == 1
    for unfinished in (states.Pending, states.Running, states.Retrying, states.AwaitingRetry):
        assert not unfinished().is_final()

    @flow
    def waits() -> int:
        done, not_done = wait([double.submit(1)])
        return len(done) - len(not_done)

    assert waits() == 1


@shows("return future", "my_task(failed", "return Failed", "timeout_seconds` of")
def otherwise() -> None:
    """What Prefect does is in the page: tried with the same bodies."""

    @task
    def fail() -> int:
        raise KeyError

    @task
    def returns(state: str) -> Any:
        return {"failed": Failed(message="no"), "completed": Completed(data=3)}[state]

    @task(timeout_seconds=0.01)
    def slow() -> None:
        time.sleep(0.2)

    def futures() -> Any:
        return {"a": double.submit(1), "b": [double.submit(2)]}

    assert flow(futures)() == {"a": 2, "b": [4]}
    assert flow(lambda: returns("completed"))() == 3
    for body in (
        lambda: double(fail.submit()),  # type: ignore[call-overload] # a future
        lambda: double(fail(return_state=True)),  # type: ignore[call-overload] # a state
        lambda: returns("failed"),
        lambda: slow(),
    ):
        ended: State[object] = flow(body)(return_state=True)
        assert ended.name == "Failed"


@shows("flow_run.start_time")
def runs_in_hooks() -> None:
    heard: list[object] = []

    def hear(_flow: object, run: Any, _state: object) -> None:
        heard.append((run.state_name, run.parameters, run.end_time >= run.start_time))

    flow(on_completion=[hear])(double.fn)(1)

    assert heard == [("Completed", {"x": 1}, True)]


SHOWN = len(PROGRAMS)
