"""Marks on arguments: what the body gets of them."""

from __future__ import annotations

import pytest

from penstock import PenstockFuture, allow_failure, flow, opaque, quote, task, unmapped


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


@pytest.mark.parametrize("mark", [quote, opaque, allow_failure, unmapped])
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


def test_an_opaque_value_is_not_searched_and_an_opaque_future_is_waited_for() -> None:
    """Prefect 3.8: `opaque` resolves the future and does not walk into its result."""

    @flow
    def run() -> tuple[object, bool]:
        future = double.submit(1)
        return identity.submit(opaque(future)).result(), is_future(opaque({"of double": [future]}))

    assert run() == (2, True)


def test_the_failure_of_an_opaque_future_is_that_of_an_input() -> None:
    @task
    def fail() -> None:
        raise ConnectionError

    @flow
    def run() -> str:
        return identity.submit(opaque(fail.submit()), return_state=True).name

    assert run() == "NotReady"


def test_opaque_values_are_one_call_to_a_retry() -> None:
    ran = []

    @task
    def note(value: int) -> int:
        ran.append(value)
        return value

    @flow(retries=1)
    def run() -> int:
        result = note(opaque(len(ran)))
        if len(ran) == 1 and not retried:
            retried.append(1)
            raise ConnectionError
        return result

    retried: list[int] = []
    assert run() == 0
    assert ran == [0]
