"""When the result of an earlier call stands in for a task."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from penstock import flow, task
from penstock.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    RUN_ID,
    TASK_SOURCE,
    CachePolicy,
    task_input_hash,
)
from penstock.engine.results import Entry
from penstock.results import MemoryResults
from penstock.tasks import Task

from .diary import Diary, run


class Counting:
    """A body that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: object = 0, y: object = 0) -> int:
        self.calls += 1
        return self.calls


@pytest.fixture
def body(request: pytest.FixtureRequest) -> Counting:
    return Counting()


def counted(body: Counting, request: str, **options: object) -> Task[..., int]:
    return Task(body, name=request, **options)  # type: ignore[arg-type] # by name


@pytest.mark.parametrize("submitted", [False, True], ids=["called", "submitted"])
def test_equal_inputs_run_once(body: Counting, submitted: bool, diary: Diary) -> None:
    cached = counted(body, f"once-{submitted}", cache_policy=INPUTS)

    @flow(name="f")
    def calls() -> list[int]:
        if submitted:
            return [cached.submit(x).result() for x in (1, 1, 2)]
        return [cached(x) for x in (1, 1, 2)]

    outcome = run(calls, reporter=diary)

    assert outcome.result == [1, 1, 2]
    assert diary.states_of(f"once-{submitted}-1")[-1] == "Cached"


def test_two_tasks_do_not_share_by_inputs(body: Counting) -> None:
    """In Prefect they do: the key of INPUTS is made of the inputs alone."""
    one, two = (counted(body, name, cache_policy=INPUTS) for name in ("share-1", "share-2"))

    assert [one(1), two(1)] == [1, 2]


def test_a_subtracted_parameter_does_not_count(body: Counting) -> None:
    cached = counted(body, "subtracted", cache_policy=INPUTS - "y")

    assert [cached(1, y=1), cached(1, y=2), cached(2, y=1)] == [1, 1, 2]


def test_default_holds_within_one_flow_run(body: Counting) -> None:
    cached = counted(body, "default", cache_policy=DEFAULT)
    twice = flow(lambda: (cached(1), cached(1)), name="twice")

    assert [twice(), twice()] == [(1, 1), (2, 2)]
    assert [cached(1), cached(1)] == [3, 4]


def test_flow_parameters_count(body: Counting) -> None:
    cached = counted(body, "flow-parameters", cache_policy=FLOW_PARAMETERS + TASK_SOURCE)

    @flow
    def f(day: str) -> int:
        return cached()

    assert [f("mon"), f("mon"), f("tue")] == [1, 1, 2]


def test_code_without_a_file_counts_by_what_it_does() -> None:
    def made(source: str) -> Task[..., Any]:
        namespace: dict[str, Any] = {}
        exec(f"def typed_in(): return {source}", namespace)
        return Task(namespace["typed_in"], cache_policy=TASK_SOURCE)

    assert [made(source)() for source in ("3", "4", "(lambda: 5)()", "(lambda: 6)()")] == [
        3,
        4,
        5,
        6,
    ]
    assert made("4")(return_state=True).name == "Cached"


@pytest.mark.parametrize("policy", [None, NO_CACHE], ids=["none", "no-cache"])
def test_without_a_policy_nothing_is_cached(body: Counting, policy: CachePolicy | None) -> None:
    cached = counted(body, "uncached", cache_policy=policy)

    assert [cached(1), cached(1)] == [1, 2]


def test_a_sum_holds_each_part_once() -> None:
    assert INPUTS + TASK_SOURCE + RUN_ID == DEFAULT + INPUTS + NO_CACHE


def test_a_key_function_decides_before_a_policy(body: Counting) -> None:
    cached = counted(
        body,
        "key-function",
        cache_policy=INPUTS,
        cache_key_fn=lambda context, parameters: f"mine {parameters['x'] % 2}",
    )

    assert [cached(1), cached(3), cached(2)] == [1, 1, 2]


def test_task_input_hash_is_a_key_function(body: Counting) -> None:
    cached = counted(body, "input-hash", cache_key_fn=task_input_hash)

    assert [cached(1), cached(1), cached(2)] == [1, 1, 2]


def test_an_expired_result_is_made_again(body: Counting) -> None:
    gone = counted(body, "expires", cache_policy=INPUTS, cache_expiration=timedelta(0))
    fresh = counted(body, "lasts", cache_policy=INPUTS, cache_expiration=timedelta(hours=1))

    assert [gone(1), gone(1), fresh(1), fresh(1)] == [1, 2, 3, 3]


def test_refreshing_replaces_the_result(body: Counting) -> None:
    cached = counted(body, "refreshed", cache_policy=INPUTS)

    assert [cached(1), cached.with_options(refresh_cache=True)(1), cached(1)] == [1, 2, 2]


def test_a_failure_is_not_cached() -> None:
    attempts: list[int] = []

    def body() -> int:
        attempts.append(1)
        return 1 // (len(attempts) - 1)

    cached = Task(body, name="fails", cache_policy=INPUTS)

    cached(return_state=True)
    assert cached() == 1


def test_a_key_that_cannot_be_computed_names_the_argument(
    body: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    cached = counted(body, "opaque", cache_policy=INPUTS)

    assert [cached(1, y=[Counting()]), cached(1, y=[Counting()])] == [1, 2]
    assert "the argument y of opaque holds a Counting" in caplog.text


async def test_async_tasks_are_cached() -> None:
    calls: list[int] = []

    async def body(x: int) -> int:
        calls.append(x)
        return x

    cached = Task(body, name="async-cached", cache_policy=INPUTS)

    assert [await cached(1), await cached(1)] == [1, 1]
    assert calls == [1]


def test_memory_drops_what_was_not_used_for_longest() -> None:
    results = MemoryResults(limit=2)
    for key in "abc":
        results.keep(key, entry=Entry(key, None))
        results.find("a")

    assert [results.find(key) is not None for key in "abc"] == [True, False, True]


def test_a_method_counts_by_what_it_belongs_to(caplog: pytest.LogCaptureFixture) -> None:
    class Table:
        def __init__(self, name: str) -> None:
            self.name = name

        @task(cache_policy=INPUTS)
        def read(self, row: int) -> str:
            return f"{self.name}{row}"

    class Known(Table):
        @property
        def __penstock_key__(self) -> str:
            return self.name

    assert [Table(name).read(1) for name in "ab"] == ["a1", "b1"]
    assert "the argument self of read holds a" in caplog.text
    assert "give Table a __penstock_key__" in caplog.text
    assert [Known(name).read(1) for name in "ab"] == ["a1", "b1"]
    assert Known("a").read(1, return_state=True).name == "Cached"


class ByDay(CachePolicy):
    """As one writes it for Prefect: the key is the day's, whatever else is given."""

    def compute_key(self, task_ctx: Any, inputs: Any, flow_parameters: Any, **_: Any) -> str | None:
        return f"{task_ctx.task.name} of {inputs['day']} in {flow_parameters.get('city')}"


@pytest.mark.parametrize(
    ("policy", "runs"), [(ByDay(), 2), (ByDay() + RUN_ID, 2), (ByDay() + INPUTS, 4)]
)
def test_a_policy_of_one_s_own_computes_the_key(policy: CachePolicy, runs: int) -> None:
    """Prefect 3.8.8: its compute_key is called with the context, the inputs and the flow's."""
    ran = []

    @task(name=f"rain {runs} {policy.parts}", cache_policy=policy)
    def rain(day: str, hour: int) -> None:
        ran.append((day, hour))

    @flow
    def look(city: str) -> None:
        for day in ("monday", "tuesday"):
            for hour in (1, 2):
                rain(day, hour)

    look("Bergen")

    assert len(ran) == runs


def test_a_key_function_can_be_a_part_of_a_policy() -> None:
    """Prefect 3.8.8: CachePolicy.from_cache_key_fn; the other parts count as well."""
    ran = []
    by_length = CachePolicy.from_cache_key_fn(lambda _, parameters: str(len(parameters["text"])))

    @task(cache_policy=by_length + RUN_ID)
    def length(text: str) -> int:
        ran.append(text)
        return len(text)

    @flow
    def measure() -> list[int]:
        return [length(text) for text in ("a", "b", "cc")]

    assert measure() == measure() == [1, 1, 2]
    assert ran == ["a", "cc"] * 2


def test_a_key_function_reads_the_task_in_its_context() -> None:
    seen = []

    def key(context: Any, parameters: dict[str, Any]) -> None:
        seen.append((context.task.name, context.task_run.name, context.parameters, parameters))

    @task(cache_key_fn=key)
    def keyed(x: int) -> int:
        return x

    assert keyed(1) == 1
    assert seen == [("keyed", "keyed-0", {"x": 1}, {"x": 1})]
