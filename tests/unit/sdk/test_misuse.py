"""What is written wrongly is refused with a sentence that says what to write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock import flow, task
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
    ],
)
def test_a_decorator_refuses_what_it_cannot_do(make: Callable[[], object], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        make()


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
