"""Which call is which, in runs that are taken up again (rules 7 to 10)."""

import asyncio
import contextvars
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.journal.runs import PowerCut, Runs

from penstock import flow, opaque, scope, sleep, task, unmapped
from penstock.engine import digest
from penstock.errors import AmbiguousOrder, UndigestibleArgument


class Connection:
    """A value whose content nobody can compare."""


class Account:
    """A value that says what it is to be known by."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __penstock_key__(self) -> int:
        """Return what tells accounts apart."""
        return self._number


RAN: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


@task
def query(connection: object, text: str = "") -> str:
    RAN[f"query {text}"] += 1
    return text


def outcome_of(body: Callable[[], Any], **options: Any) -> Any:
    return Runs(flow(**options)(body)).attempt()


def test_an_argument_beside_others_counts_by_its_type() -> None:
    def body() -> list[str]:
        return [query(Connection(), text) for text in "ab"]

    runs = Runs(flow(body))
    runs.attempt()

    assert runs.attempt().result == ["a", "b"]
    assert RAN == {"query a": 1, "query b": 1}


def test_a_sole_argument_that_cannot_be_compared_is_refused_by_name() -> None:
    outcome = outcome_of(lambda: query(Connection()))

    assert isinstance(outcome.state.data, UndigestibleArgument)
    assert "argument connection of query is of the type Connection" in outcome.message


def test_a_mapped_argument_that_cannot_be_compared_is_refused_by_name() -> None:
    outcome = outcome_of(lambda: query.map([Connection()], unmapped("x")).result())

    assert "argument connection of query" in outcome.message


def test_what_a_map_hands_to_all_calls_may_be_of_any_type() -> None:
    outcome = outcome_of(lambda: query.map(unmapped(Connection()), ["a", "b"]).result())

    assert outcome.result == ["a", "b"]


def test_what_a_map_hands_to_all_calls_is_digested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    digested: list[object] = []
    known = digest.digest_of
    monkeypatch.setattr(digest, "digest_of", lambda value: known(digested.append(value) or value))

    outcome_of(lambda: query.map(unmapped(Connection()), list("abc")).result())

    assert sum(isinstance(value, Connection) for value in digested) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: query(opaque(Connection())),
        lambda: query.with_options(task_key="query")(Connection()),
        lambda: query.with_options(persist_result=False)(Connection()),
        lambda: query(Account(1)),
    ],
    ids=["opaque", "task_key", "persist_result=False", "__penstock_key__"],
)
def test_it_is_taken_where_the_author_answers_for_it(call: Callable[[], str]) -> None:
    assert outcome_of(call).result == ""


def test_a_plain_call_takes_any_argument() -> None:
    assert flow(lambda: query(Connection()))() == ""


def test_a_task_is_known_by_its_key_whatever_its_name() -> None:
    def named(name: str) -> Any:
        def body(x: int) -> int:
            RAN[name] += 1
            return x

        body.__qualname__ = body.__name__ = name
        return task(task_key="load")(body)

    code = [named("old"), named("new")]

    @flow
    def load() -> int:
        done: int = code[0](1)
        query(1, "cut" if len(code) == 2 else "")
        return done

    runs = Runs(load)
    runs.attempt()
    code.pop(0)

    assert runs.attempt().result == 1
    assert RAN["old"] == 1
    assert RAN["new"] == 0


def test_two_objects_are_told_apart_by_what_they_are_known_by() -> None:
    def body() -> list[str]:
        return [query(Account(number), str(number)) for number in (1, 2)]

    runs = Runs(flow(body))
    runs.attempt()

    assert runs.attempt().result == ["1", "2"]


@task
def step() -> str:
    RAN["step"] += 1
    return "done"


def _in_threads(*functions: Callable[[], object]) -> None:
    for function in functions:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(function,))
        thread.start()
        thread.join()


def _with_scope(name: str) -> None:
    with scope(name):
        step()


def test_calls_without_arguments_from_two_threads_warn() -> None:
    runs = Runs(flow(lambda: _in_threads(step, step)))

    with pytest.warns(AmbiguousOrder, match=r"calls step\(step\) from more than one thread"):
        runs.attempt()


def test_two_threads_that_make_different_calls_do_not_warn() -> None:
    outcome = outcome_of(lambda: _in_threads(step, lambda: query(1)))

    assert outcome.state.is_completed()


def test_a_scope_for_each_thread_mends_it() -> None:
    outcome = outcome_of(lambda: _in_threads(lambda: _with_scope("a"), lambda: _with_scope("b")))

    assert outcome.state.is_completed()
    assert RAN["step"] == 2


def test_one_scope_for_two_threads_does_not() -> None:
    runs = Runs(flow(lambda: _in_threads(lambda: _with_scope("a"), lambda: _with_scope("a"))))

    with pytest.warns(AmbiguousOrder, match="calls scope"):
        runs.attempt()


async def _sleepers() -> None:
    await asyncio.gather(_sleeper(), _sleeper())


async def _sleeper() -> None:
    await sleep(0)


def test_sleeps_of_two_asyncio_tasks_warn() -> None:
    with pytest.warns(AmbiguousOrder, match="calls sleep"):
        outcome_of(_sleepers)


def test_a_strict_flow_raises_it() -> None:
    def body() -> None:
        try:
            asyncio.run(_sleepers())
        except AmbiguousOrder:
            RAN["raised"] += 1

    outcome_of(body, strict=True)

    assert RAN["raised"] == 1


def test_strict_holds_in_sub_flows_that_do_not_say_otherwise() -> None:
    sub = flow(_sleepers)

    async def body() -> None:
        await sub.with_options(strict=False)()
        await sub()

    with pytest.warns(AmbiguousOrder):
        outcome = outcome_of(body, strict=True)

    assert isinstance(outcome.state.data, AmbiguousOrder)


def test_the_environment_makes_all_flows_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_STRICT", "1")

    assert isinstance(outcome_of(_sleepers).state.data, AmbiguousOrder)


def test_a_scope_counts_its_calls_by_themselves() -> None:
    """Code that is inserted before it moves nothing inside."""
    inserted: list[bool] = []

    def body() -> None:
        if inserted:
            step()
        with scope("a"):
            step()
        if not inserted:
            raise PowerCut

    runs = Runs(flow(body))
    runs.attempt()
    inserted.append(True)
    runs.attempt()

    assert RAN["step"] == 2


def test_a_submitted_task_without_arguments_has_its_number_though_it_waits_for_another() -> None:
    def body() -> None:
        first = query.submit(1, "a")
        step.submit(wait_for=[first]).result()
        step()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert outcome_of(body).state.is_completed()
