"""The retry rule, and what is not done again when something is."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import exponential_backoff, flow, task
from penstock.engine.definition import RetryPolicy
from penstock.engine.retry import delay_before_retry, may_retry
from penstock.engine.runs import TaskRun
from penstock.states import Cancelled, Completed, Crashed, Failed, NotReady, State, TimedOut
from penstock.tasks import Task

from .diary import Diary, run


class Flaky:
    """Fails a number of times, then returns the number of calls."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise ValueError(f"call {self.calls}")
        return self.calls


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Failed(), True),
        (TimedOut(), True),
        (Completed(), False),
        (Crashed(), False),
        (Cancelled(), False),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_only_failures_are_retried(state: State[object], expected: bool) -> None:
    assert may_retry(RetryPolicy(retries=1), attempt=1, state=state) is expected


@given(retries=st.integers(0, 20), attempt=st.integers(1, 40))
def test_there_are_as_many_retries_as_allowed(retries: int, attempt: int) -> None:
    allowed = may_retry(RetryPolicy(retries=retries), attempt=attempt, state=Failed())

    assert allowed is (attempt <= retries)


@given(
    delays=st.lists(st.floats(0, 1e6), min_size=1, max_size=5).map(tuple),
    factor=st.floats(0, 3),
    spread=st.floats(0, 1, exclude_max=True),
    retry=st.integers(1, 10),
)
def test_jitter_never_cuts_a_delay_short(
    delays: tuple[float, ...], factor: float, spread: float, retry: int
) -> None:
    policy = RetryPolicy(retries=10, delays=delays, jitter_factor=factor)
    laid_down = delays[min(retry, len(delays)) - 1]

    delay = delay_before_retry(policy, retry=retry, spread=spread)

    assert laid_down <= delay <= laid_down * (1 + factor)


def test_exponential_backoff_doubles() -> None:
    assert exponential_backoff(backoff_factor=5)(4) == [5, 10, 20, 40]


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        pytest.param(2, (2.0,), id="number"),
        pytest.param([1, 5], (1.0, 5.0), id="list"),
        pytest.param(exponential_backoff(1), (1.0, 2.0, 4.0), id="callable"),
    ],
)
def test_delays_are_a_number_a_list_or_a_function(delay: object, expected: object) -> None:
    waits: Task[[], None] = Task(lambda: None, retries=3, retry_delay_seconds=delay)  # type: ignore[arg-type] # a parameter of many types

    assert waits.definition.retry.delays == expected


@pytest.mark.parametrize("submitted", [False, True], ids=["called", "submitted"])
def test_a_task_is_retried_until_it_succeeds(submitted: bool) -> None:
    flaky = Flaky(failures=2)
    retried = Task(flaky, name="flaky", retries=2, retry_delay_seconds=0.001)

    @flow
    def retries() -> int:
        return retried.submit().result() if submitted else retried()

    assert retries() == 3


def test_the_last_failure_is_raised_when_retries_are_used_up() -> None:
    retried = Task(Flaky(failures=5), name="flaky", retries=1)

    with pytest.raises(ValueError, match="call 2"):
        retried()


def test_a_retry_passes_through_prefects_states(diary: Diary) -> None:
    retried = Task(Flaky(failures=1), name="flaky", retries=1, retry_delay_seconds=0.001)

    run(flow(lambda: retried(), name="f"), reporter=diary)

    assert diary.states_of("flaky-0") == ["Running", "AwaitingRetry", "Retrying", "Completed"]
    assert diary.seen["flaky-0"].run_count == 2


def test_the_condition_is_asked_with_task_run_and_state() -> None:
    asked: list[tuple[str, str, str]] = []

    def condition(task: Task[..., object], task_run: TaskRun, state: State[object]) -> bool:
        asked.append((task.name, task_run.name, state.message))
        return len(asked) < 2

    flaky = Flaky(failures=9)
    retried = Task(flaky, name="flaky", retries=5, retry_condition_fn=condition)

    with pytest.raises(ValueError, match="call 2"):
        retried()
    assert asked[0] == ("flaky", "flaky-0", "ValueError: call 1")
    assert flaky.calls == 2


def test_a_condition_that_fails_ends_the_retries_and_says_so() -> None:
    def condition(*_: object) -> bool:
        raise KeyError("oops")

    retried = Task(Flaky(failures=9), name="flaky", retries=5, retry_condition_fn=condition)

    with pytest.raises(ValueError, match="call 1") as caught:
        retried()
    assert caught.value.__notes__ == ["retry_condition_fn failed: KeyError: 'oops'"]


def test_a_task_that_waits_out_a_delay_holds_no_worker() -> None:
    from penstock.task_runners import ThreadPoolTaskRunner

    other_ran = threading.Event()

    @task(retries=1, retry_delay_seconds=0.01)
    def fails_once() -> bool:
        if not other_ran.is_set():
            raise ValueError
        return True

    @task
    def other() -> None:
        other_ran.set()

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def shares_a_worker() -> bool:
        first = fails_once.submit()
        other.submit()
        return first.result()

    assert shares_a_worker()


def test_a_task_whose_input_failed_is_not_retried(diary: Diary) -> None:
    @task
    def fail() -> None:
        raise ValueError

    @task(retries=3)
    def dependent(_: object) -> None: ...

    run(flow(lambda: dependent.submit(fail.submit()), name="f"), reporter=diary)

    assert diary.states_of("dependent-0") == ["Pending", NotReady().name]


def test_a_flow_retry_does_not_run_finished_tasks_again() -> None:
    """Prefect runs every task of a retried flow again, unless it is cached."""
    ran: list[object] = []
    flaky = Flaky(failures=2)

    @task
    def step(number: int) -> int:
        ran.append(number)
        return number * 10

    @flow
    def child(number: int) -> int:
        ran.append(f"child {number}")
        return step(number + 100)

    @flow(retries=2)
    def retried() -> object:
        first = step(1)
        mapped = step.map([2, 3, 3]).result()
        sub = child(4)
        flaky()
        return first, mapped, sub

    assert retried() == (10, [20, 30, 30], 1040)
    assert sorted(map(str, ran)) == ["1", "104", "2", "3", "3", "child 4"]


def test_a_flow_retry_runs_failed_tasks_again() -> None:
    flaky = Flaky(failures=1)
    unsteady = Task(flaky, name="unsteady")

    @flow(retries=1)
    def retried() -> int:
        return unsteady.submit().result()

    assert retried() == 2


def test_a_task_retry_keeps_its_finished_children() -> None:
    ran: list[int] = []
    flaky = Flaky(failures=1)

    @task
    def child(number: int) -> int:
        ran.append(number)
        return number

    @task(retries=1)
    def parent() -> int:
        total = child(1) + child(2)
        flaky()
        return total

    assert parent() == 3
    assert ran == [1, 2]


def test_without_retries_nothing_is_hashed() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment] # on purpose

        def __reduce__(self) -> str:
            raise AssertionError("nothing is serialised in a plain run")

    @task
    def identity(value: object) -> object:
        return value

    @flow
    def plain() -> bool:
        value = Unhashable()
        return identity.submit(value).result() is value

    assert plain()
