"""``runtime.task_run.idempotency_key``: one for each call, the same however often it is begun."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from tests.unit.journal.runs import PowerCut, Runs

from penstock import flow, runtime, task
from penstock.errors import MissingContextError
from penstock.execution import RunContext

from .diary import run


def _key() -> Any:
    return runtime.task_run.idempotency_key


@task
def charge(order: int) -> Any:
    return _key()


def test_each_call_has_its_own_also_an_equal_one() -> None:
    @flow
    def daily() -> list[Any]:
        called = [charge(1), charge(1), charge(2)]
        return [*called, *charge.map([1, 1]).result()]

    keys = run(daily, context=RunContext("daily-1")).result

    assert len(set(keys)) == 5
    assert all(key.startswith("daily-1-") for key in keys)


@pytest.mark.parametrize("retried", ["task", "flow", "task around it"])
def test_it_is_the_same_at_every_attempt(retried: str) -> None:
    keys: list[Any] = []

    @task(retries=2 if retried == "task" else 0)
    def charge(order: int) -> None:
        keys.append(_key())
        if len(keys) < 3:
            raise ConnectionError

    @task(retries=2 if retried == "task around it" else 0)
    def around(order: int) -> None:
        charge(order)

    @flow(retries=2 if retried == "flow" else 0)
    def daily() -> None:
        around(1)

    daily()

    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_equal_calls_in_two_equal_bodies_that_are_retried_differ() -> None:
    @task(retries=1)
    def around(order: int) -> Any:
        return charge(order)

    @flow
    def daily() -> tuple[Any, Any]:
        return around(1), around(1)

    first, second = daily()

    assert first != second


def test_it_outlives_the_process_and_the_order_of_other_calls() -> None:
    keys: dict[int, list[Any]] = {}
    attempts = count()

    @task
    def charge(order: int) -> None:
        keys.setdefault(order, []).append(_key())
        if order == 2 and len(keys[2]) == 1:
            raise PowerCut

    @flow
    def daily() -> None:
        for order in [1, 2] if next(attempts) == 0 else [3, 2, 1]:
            charge(order)

    runs = Runs(daily)
    runs.attempt()
    runs.attempt()

    assert [len(keys[order]) for order in (1, 2, 3)] == [1, 2, 1]
    assert len(set(keys[2])) == 1
    assert len({key for made in keys.values() for key in made}) == 3


def test_a_rerun_keeps_the_keys_of_the_first_run() -> None:
    @flow
    def daily() -> Any:
        return charge(1)

    again, other = RunContext("daily-1.2"), RunContext("daily-2")
    again.first_run_id = "daily-1"
    first, rerun, new = (
        run(daily, context=context).result for context in (RunContext("daily-1"), again, other)
    )

    assert first.startswith("daily-1-")
    assert rerun.startswith("daily-1-")
    assert new not in (first, rerun)


def test_a_task_outside_a_flow_keeps_its_key_over_its_attempts_alone() -> None:
    keys: list[Any] = []

    @task(retries=1)
    def charge() -> None:
        keys.append(_key())
        if len(keys) == 1:
            raise ConnectionError

    charge()
    charge()

    assert keys[0] == keys[1] != keys[2]


def test_a_hook_reads_what_the_body_has_read() -> None:
    seen: list[Any] = []

    def note(of: Any, run: Any, state: Any) -> None:
        seen.append(_key())

    def too_early(of: Any, run: Any, state: Any) -> None:
        with pytest.raises(MissingContextError, match="in the task's body"):
            _key()
        seen.append("too early")

    @task(on_running=[too_early], on_completion=[note])
    def charge() -> Any:
        return _key()

    @flow
    def daily() -> Any:
        return charge()

    key = daily()

    assert seen == ["too early", key]
