"""Functions of the author's that are called when a run changes its state."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from penstock import flow, get_run_logger, task
from penstock.engine.runs import FlowRun, TaskRun
from penstock.execution import RunContext
from penstock.flows import Flow
from penstock.states import State
from penstock.tasks import Task

from .diary import run


class Calls:
    """A hook for each event, which writes down how it was called."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str, str]] = []

    def hook(self, event: str) -> Any:
        def hook(
            owner: Flow[..., Any] | Task[..., Any], of: FlowRun | TaskRun, state: State[object]
        ) -> None:
            assert of.state is state
            self.seen.append((event, owner.name, of.name, state.name))

        return hook

    def __getitem__(self, event: str) -> list[Any]:
        return [self.hook(event)]


@pytest.fixture
def calls() -> Calls:
    return Calls()


def fail() -> None:
    raise ValueError("no")


def succeed() -> str:
    return "yes"


def leave() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("body", "event", "state"),
    [
        (succeed, "on_completion", "Completed"),
        (fail, "on_failure", "Failed"),
        (leave, "on_crashed", "Crashed"),
    ],
    ids=["completed", "failed", "crashed"],
)
def test_a_flow_calls_the_hooks_of_its_states(
    body: Any, event: str, state: str, calls: Calls
) -> None:
    events = ("on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed")
    hooked = Flow(body, name="f", **{each: calls[each] for each in events})

    run(hooked)

    assert calls.seen == [
        ("on_running", "f", "test-run", "Running"),
        (event, "f", "test-run", state),
    ]


def test_a_cancelled_flow_calls_its_hook_where_engine_calls_work(calls: Calls) -> None:
    context = RunContext("test-run")
    cleaned: list[str] = []

    @task
    def clean() -> None:
        cleaned.append("up")

    @flow(name="f", on_cancellation=[lambda *_: clean(), calls.hook("on_cancellation")])
    def cancelled() -> None:
        context.request_cancel()
        clean()

    run(cancelled, context=context)

    assert calls.seen == [("on_cancellation", "f", "test-run", "Cancelled")]
    assert cleaned == ["up"]


@pytest.mark.parametrize("submitted", [False, True], ids=["called", "submitted"])
def test_a_task_calls_the_hooks_of_its_states(submitted: bool, calls: Calls) -> None:
    bad = Task(fail, name="bad", on_failure=calls["on_failure"], on_running=calls["on_running"])
    good = Task(succeed, name="good", on_completion=calls["on_completion"])

    @flow
    def hooked() -> None:
        for each in (bad, good):
            if submitted:
                each.submit().result(raise_on_failure=False)
            else:
                each(return_state=True)

    hooked()

    assert calls.seen == [
        ("on_running", "bad", "bad-0", "Running"),
        ("on_failure", "bad", "bad-0", "Failed"),
        ("on_completion", "good", "good-0", "Completed"),
    ]


def test_hooks_hear_of_the_last_attempt_and_of_running_once(calls: Calls) -> None:
    """Prefect calls ``on_running`` at each attempt."""
    bad = Task(
        fail,
        name="bad",
        retries=2,
        on_failure=calls["on_failure"],
        on_running=calls["on_running"],
    )

    bad(return_state=True)

    assert [event for event, *_ in calls.seen] == ["on_running", "on_failure"]


def test_a_result_of_an_earlier_attempt_calls_no_hook_again(calls: Calls) -> None:
    attempts: list[int] = []
    good = Task(succeed, name="good", on_completion=calls["on_completion"])

    @flow(retries=1)
    def retried() -> None:
        good()
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError

    retried()

    assert len(attempts) == 2
    assert len(calls.seen) == 1


def test_a_task_that_never_ran_calls_no_hook(calls: Calls) -> None:
    """As in Prefect, where ``NotReady`` is no failed state."""
    bad = task(fail)
    dependent = Task(lambda _: None, name="dependent", on_failure=calls["on_failure"])

    @flow
    def f() -> None:
        dependent.submit(bad.submit())

    f(return_state=True)

    assert calls.seen == []


def test_hooks_are_registered_by_decorators_and_kept_by_with_options() -> None:
    seen: list[str] = []

    @flow
    def f() -> None: ...

    @f.on_completion
    def first(flow: object, flow_run: object, state: object) -> None:
        seen.append("first")

    @f.on_completion
    def second(flow: object, flow_run: object, state: object) -> None:
        seen.append("second")

    f()
    f.with_options(name="other")()

    assert seen == ["first", "second"] * 2


def test_a_task_takes_decorated_hooks(calls: Calls) -> None:
    bad = task(fail)
    bad.on_failure(calls.hook("on_failure"))

    bad(return_state=True)

    assert [event for event, *_ in calls.seen] == ["on_failure"]


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(1)], ids=["error", "exit"])
def test_a_hook_that_fails_is_logged_and_changes_nothing(
    error: BaseException, caplog: pytest.LogCaptureFixture, calls: Calls
) -> None:
    def broken(*_: object) -> None:
        raise error

    good = Task(succeed, name="good", on_completion=[broken, calls.hook("on_completion")])

    with caplog.at_level(logging.ERROR, logger="penstock"):
        assert good() == "yes"

    assert "The hook broken failed; the run goes on." in caplog.text
    assert [event for event, *_ in calls.seen] == ["on_completion"]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_hook_may_be_async(is_async: bool) -> None:
    seen: list[str] = []

    async def hook(flow: object, flow_run: FlowRun, state: State[object]) -> None:
        await asyncio.sleep(0)
        seen.append(state.name)

    async def body() -> None: ...

    if is_async:
        asyncio.run(Flow(body, name="f", on_completion=[hook])())
    else:
        Flow(succeed, name="f", on_completion=[hook])()

    assert seen == ["Completed"]


def test_a_hook_logs_in_the_name_of_its_run(caplog: pytest.LogCaptureFixture) -> None:
    def hook(*_: object) -> None:
        get_run_logger().error("hooked")

    Task(succeed, name="good", on_completion=[hook])()

    (record,) = [each for each in caplog.records if each.message == "hooked"]
    assert vars(record)["task_run_name"] == "good-0"


def test_what_is_no_function_is_no_hook() -> None:
    with pytest.raises(TypeError, match="on_failure is a list of functions; 'mail' is none"):
        task(on_failure=["mail"])(succeed)  # type: ignore[list-item] # on purpose


def test_a_hook_reads_of_the_run_what_prefect_s_has() -> None:
    """Prefect 3.8.8: these are attributes of the runs that hooks get; ids are UUIDs there."""
    told: list[object] = []

    def read(_: object, run: Any, state: State[object]) -> None:
        told.append((run.name, run.state_name, run.state_type.value, run.run_count, run.tags))
        assert run.start_time <= run.end_time
        assert run.total_run_time == run.end_time - run.start_time

    def read_flow(_: object, run: Any, state: State[object]) -> None:
        read(_, run, state)
        told.append(run.parameters)
        assert run.expected_start_time == run.start_time

    def read_task(_: object, run: Any, state: State[object]) -> None:
        read(_, run, state)
        told.append(run.flow_run_id)

    @task(on_failure=[read_task])
    def fail() -> int:
        raise ValueError

    @flow(flow_run_name="inner", on_completion=[read_flow])
    def inner(x: int, y: str = "a") -> int:
        return x

    @flow(flow_run_name="outer")
    def outer() -> None:
        fail(return_state=True)
        inner(task(lambda: 4).submit())  # type: ignore[call-overload] # a future
        inner("5")  # type: ignore[call-overload] # coerced

    outer()

    assert told[0] == ("fail-0", "Failed", "FAILED", 1, frozenset())
    assert str(told[1]).startswith("outer-")
    assert told[3::2] == [{"x": 4, "y": "a"}, {"x": 5, "y": "a"}]
