"""Flows in flows."""

from __future__ import annotations

import pytest

from penstock import flow, task

from .diary import Diary, run


@task
def step(value: int) -> int:
    return value + 1


@flow
def child(value: int) -> int:
    return step(value) + step.submit(value).result()


def test_a_flow_called_in_a_flow_is_a_sub_flow_with_its_own_numbers(diary: Diary) -> None:
    @flow
    def parent() -> int:
        return step(0) + child(1) + child(2)

    outcome = run(parent, reporter=diary)

    assert outcome.result == 1 + 4 + 6
    assert diary.ids >= {"test-run/step-0", "test-run/child-0", "test-run/child-1/step-1"}
    assert diary.states_of("child-1") == ["Running", "Completed"]


def test_a_sub_flow_knows_its_parent(diary: Diary) -> None:
    run(flow(lambda: child(1), name="f"), reporter=diary)

    run_of_child = diary.seen["child-0"]

    assert run_of_child.parent is diary.seen["test-run"]


def test_a_sub_flow_that_fails_raises_in_its_parent() -> None:
    @flow
    def fails() -> None:
        raise ValueError("of the child")

    @flow
    def parent() -> None:
        fails()

    with pytest.raises(ValueError, match="of the child"):
        parent()


def test_a_sub_flow_waits_for_its_own_tasks_and_fails_by_its_own_losses() -> None:
    @task
    def fail() -> None:
        raise ValueError("lost in the child")

    @flow
    def forgets() -> None:
        fail.submit()

    @flow
    def parent() -> bool:
        return forgets(return_state=True).is_failed()

    assert parent()


def test_a_sub_flow_takes_futures_of_its_parent() -> None:
    @flow
    def parent() -> int:
        return child(step.submit(1))  # type: ignore[arg-type] # a future for a value

    assert parent() == 6


def test_a_future_of_the_parent_is_resolved_in_a_task_of_the_child() -> None:
    @flow
    def parent() -> int:
        future = step.submit(1)

        @flow
        def inner() -> int:
            return step(future)  # type: ignore[arg-type] # a future for a value

        return inner()

    assert parent() == 3


def test_a_task_may_call_a_flow() -> None:
    @task
    def calls_flow(value: int) -> int:
        return child(value)

    @flow
    def parent() -> list[int]:
        return calls_flow.map([1, 2]).result()

    assert parent() == [4, 6]


def test_a_sub_flow_is_retried_by_its_own_policy() -> None:
    calls: list[int] = []

    @flow(retries=1)
    def unsteady() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError
        return len(calls)

    @flow
    def parent() -> int:
        return unsteady()

    assert parent() == 2
