"""Marks on arguments: what the body gets of them."""

from __future__ import annotations

import pytest

from penstock import PenstockFuture, allow_failure, flow, quote, task, unmapped


@task
def identity(value: object) -> object:
    return value


@task
def is_future(value: dict[str, list[object]]) -> bool:
    return isinstance(value["of double"][0], PenstockFuture)


@task
def double(x: int) -> int:
    return 2 * x


def test_a_quoted_value_is_handed_over_as_the_object_that_it_is() -> None:
    @flow
    def run() -> bool:
        future = double.submit(1)
        return is_future(quote({"of double": [future]})) and not is_future({"of double": [future]})

    assert run()


def test_a_quoted_future_is_not_waited_for() -> None:
    @flow
    def run() -> bool:
        future = double.submit(1)
        return identity.submit(quote([future])).wait() is None and future.result() == 2

    assert run()


@pytest.mark.parametrize("mark", [quote, allow_failure, unmapped])
def test_a_mark_is_taken_off_before_the_body_runs_whether_or_not_there_are_futures(
    mark: type[quote[int]],
) -> None:
    @flow
    def run() -> list[object]:
        first = identity(mark(1))
        double.submit(1).result()
        return [first, identity(mark(1)), identity.submit(value=mark(1)).result()]

    assert run() == [1, 1, 1]


def test_a_flow_gets_the_value_too() -> None:
    @flow
    def run(value: int) -> int:
        return value

    assert run(quote(1)) == 1


def test_quoted_values_that_differ_are_different_calls_to_a_retry() -> None:
    ran = []

    @task
    def note(value: int) -> int:
        ran.append(value)
        return value

    @flow(retries=1)
    def run() -> list[int]:
        if not ran:
            note(quote(1))
            raise ConnectionError
        return [note(quote(2)), note(quote(1))]

    assert run() == [2, 1]
    assert ran == [1, 2]
