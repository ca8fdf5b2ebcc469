"""What is written wrongly is refused with a sentence that says what to write."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from penstock import as_completed, exponential_backoff, flow, task, wait
from penstock.errors import MappingError, ParameterError
from penstock.task_runners import ThreadPoolTaskRunner


def body(x: int = 0) -> int:
    return x


class Thing: ...


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: task(Thing), "decorates a function, not"),  # type: ignore[arg-type] # all of these
        (lambda: flow(3), "decorates a function, not 3"),
        (lambda: task(retrys=3)(body), r"has no option retrys; it has .*, name, .*, retries, "),
        (lambda: task(tags="io")(body), r'a list of texts, such as tags=\["io"\], not \'io\''),
        (lambda: task(name=3)(body), 'such as name="load", not 3'),
        (lambda: task(timeout_seconds="10")(body), "a number of seconds, or None, not '10'"),
        (lambda: task(retry_jitter_factor=-1)(body), "at least 0"),
        (lambda: task(retry_condition_fn=True)(body), "a function of the task"),
        (lambda: task(task_run_name=7)(body), 'such as "load {day}"'),
        (lambda: flow(task_runner=ThreadPoolTaskRunner)(body), "ThreadPoolTaskRunner.max_workers"),
        (lambda: flow(task_runner="threads")(body), "a task runner, such as"),
        (lambda: flow(version=2)(body), 'version="1.2"'),
        (lambda: flow(on_failure=[3])(body), "a list of functions; 3 is none"),
        (lambda: flow("daily"), r"write @flow\(name='daily'\)"),
        (lambda: task(flow(body)), r"<Flow body> is decorated already: @task decorates a function"),
        (lambda: flow(task(body)), r"<Task body> is decorated already"),
        (lambda: task(cache_policy="INPUTS")(body), "such as cache_policy=INPUTS, not 'INPUTS'"),
        (lambda: task(cache_key_fn="day")(body), "a function of the context and the parameters"),
        (lambda: task(cache_expiration=60)(body), r"such as timedelta\(hours=1\), not 60"),
        (lambda: task(retry_delay_seconds="1")(body), "is a number of seconds, a list .* not '1'"),
        (lambda: task(retry_delay_seconds=timedelta(1))(body), "a number of seconds, a list of"),
        (lambda: task(retry_delay_seconds=[timedelta(1)])(body), "a number of seconds, a list of"),
    ],
)
def test_a_decorator_refuses_what_it_cannot_do(make: Callable[[], object], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        make()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: exponential_backoff("2"), "backoff_factor is a number of seconds, not '2'"),  # type: ignore[arg-type] # all of these
        (lambda: task(body)(wait_for=3), "wait_for is a list of futures, .*; not 3"),
        (lambda: task(body).submit(wait_for=[task(body)]), "submit <Task body> to have one"),
        (lambda: list(as_completed([1])), "as_completed takes futures, .*; not 1"),
        (lambda: wait([task(body)]), "wait takes futures, as submit and map return them"),
    ],
)
def test_a_call_refuses_what_it_cannot_do(call: Callable[[], object], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        call()


@task
def number() -> int:
    return 1


@task
async def later() -> int:
    return 1


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: number.submit() + 1, "future.result() waits for it"),
        (lambda: number.submit() > 1, "future.result() waits for it"),
        (lambda: sum(number.map([])) or number.submit()[0], "future.result() waits for it"),
        (lambda: number.submit().upper(), "future.result() waits for it"),
        (lambda: body.submit(1), "A function gets this by @task above its def."),
        (lambda: number + 1, "has no value before it is called: my_task(…)"),
        (lambda: list(number), "has no value before it is called: my_task(…)"),
    ],
)
def test_what_is_taken_for_a_value_is_told_apart(mistake: Callable[[], object], words: str) -> None:
    """The exception is Python's; a note on it says what to write."""
    state = flow(name="mistaken")(mistake)(return_state=True)

    (note,) = state.data.__notes__
    assert words in note


def test_awaiting_a_sync_task_says_what_to_write() -> None:
    @flow
    async def run() -> int:
        return await number()  # type: ignore[misc] # on purpose

    with pytest.raises(TypeError, match="await") as raised:
        asyncio.run(run())

    assert raised.value.__notes__ == [
        "Only async tasks and flows, and futures, are awaited: call a sync one without await."
    ]


def test_a_coroutine_that_is_taken_for_a_value_says_what_to_write() -> None:
    @flow
    def run() -> int:
        unawaited = later()
        try:
            return unawaited + 1  # type: ignore[operator] # on purpose
        finally:
            unawaited.close()

    with pytest.raises(TypeError) as raised:
        run()

    assert "my_task.submit(…).result() waits for it" in raised.value.__notes__[0]


def forget() -> None:
    later()
    gc.collect()


def test_an_async_task_that_nobody_awaits_is_named_in_the_warning() -> None:
    with pytest.warns(RuntimeWarning, match="coroutine 'later' was never awaited"):
        forget()


def test_a_cache_expiration_without_a_cache_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="cache_expiration is of no use") as caught:
        task(cache_expiration=timedelta(hours=1))(body)

    assert caught[0].filename == __file__


def test_a_cache_key_that_is_no_text_lets_the_task_run_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keyed = task(cache_key_fn=lambda context, parameters: 7)(body)  # type: ignore[arg-type, return-value] # on purpose

    assert (keyed(1), keyed(2)) == (1, 2)
    assert "cache_key_fn returned 7, and a key is a text, or None." in caplog.text


@pytest.mark.parametrize("kind", ["sync", "async", "method"])
def test_arguments_that_do_not_fit_are_not_tried_again(kind: str) -> None:
    """Prefect 3.8.8: ParameterBindError where the task is called, before any attempt."""

    class Table:
        @task(retries=5, retry_delay_seconds=60)
        def read(self, row: int) -> None: ...

    async def read(row: int) -> None: ...

    patient = task(retries=5, retry_delay_seconds=60)
    reading: Any = {
        "sync": patient(body), "async": patient(read), "method": Table().read
    }[kind]  # fmt: skip

    @flow
    def run() -> str:
        state = reading.submit(1, column=2, return_state=True)
        return f"{state.name}: {state.message}"

    assert run().startswith("Failed: TypeError: ")
    assert "got an unexpected keyword argument 'column'" in run()


def test_a_type_error_of_the_body_is_tried_again() -> None:
    tries = []

    @task(retries=1)
    def add(x: object) -> object:
        tries.append(x)
        return add_up(x)

    def add_up(x: Any) -> object:
        return x + 1

    assert add("a", return_state=True).is_failed()
    assert tries == ["a", "a"]


def test_a_future_of_another_run_is_a_value_like_any_other() -> None:
    kept = []

    @flow
    def first() -> None:
        kept.append(task(body).submit(4))

    @flow
    def second(x: int) -> int:
        return task(body)(x) + task(body).submit(kept[0]).result()

    first()
    assert second(kept[0]) == 8


@pytest.mark.parametrize("name", ["submit", "map"])
def test_a_flow_that_is_submitted_says_what_to_do(name: str) -> None:
    with pytest.raises(AttributeError, match=f"A flow has no {name}: call it where it is to run"):
        getattr(flow(body), name)


def test_mapping_over_nothing_says_what_to_do() -> None:
    with pytest.raises(MappingError, match=r"use \.submit for a single call"):
        task(body).map(1)


def test_wrong_parameters_are_named_before_any_task_runs() -> None:
    ran = []

    @flow
    def daily(day: int) -> None:
        task(lambda: ran.append(1))()

    with pytest.raises(ParameterError, match=r"(?s)the flow daily:.*day: Input should be.*'mon'"):
        daily("mon")  # type: ignore[arg-type] # on purpose
    assert ran == []


def test_a_default_that_all_runs_share_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"collect has the default \[\], one list") as caught:

        @flow
        def collect(found: list[int] = []) -> None: ...  # noqa: B006 - on purpose

    assert caught[0].filename == __file__
