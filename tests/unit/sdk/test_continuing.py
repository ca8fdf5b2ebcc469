"""Flows that go on as new runs of themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock import continue_as_new, flow, run_flow, task
from penstock.errors import ChildRunFailed, MissingContextError, ParameterError
from penstock.execution import RunContext, execute
from penstock.journal.chain import MemoryChain
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder


@flow
def count_down(number: int, seen: tuple[int, ...] = (), label: str = "n") -> tuple[Any, ...]:
    seen = (*seen, number)
    if number:
        continue_as_new({"number": number - 1, "seen": seen})
    return (label, *seen)


def test_a_flow_goes_on_until_it_returns() -> None:
    assert count_down(3) == ("n", 3, 2, 1, 0)


def test_parameters_that_are_not_named_stay_as_they_are() -> None:
    assert count_down(1, label="kept") == ("kept", 1, 0)


def test_it_goes_on_as_a_sub_flow_too() -> None:
    @flow
    def parent() -> tuple[Any, ...]:
        return run_flow(count_down, {"number": 2})

    assert parent() == ("n", 2, 1, 0)


def test_async_flows_go_on() -> None:
    @flow
    async def later(number: int) -> int:
        await asyncio.sleep(0)
        if number:
            continue_as_new({"number": number - 1})
        return number

    assert asyncio.run(later(2)) == 0


def test_a_state_is_that_of_the_last_run() -> None:
    state = count_down(2, return_state=True)

    assert (state.name, state.result()) == ("Completed", ("n", 2, 1, 0))


def test_it_is_a_base_exception_that_runs_finally_blocks() -> None:
    cleaned = []

    @flow
    def careful(number: int) -> int:
        try:
            if number:
                continue_as_new({"number": number - 1})
        except Exception:  # the user's broad except
            cleaned.append("swallowed")
        finally:
            cleaned.append("finally")
        return number

    assert (careful(1), cleaned) == (0, ["finally", "finally"])


def test_tasks_that_were_submitted_end_first_and_their_failures_count() -> None:
    @task
    def fails() -> None:
        raise LookupError("lost")

    @flow
    def careless(number: int) -> None:
        fails.submit()
        continue_as_new({"number": number + 1})

    with pytest.raises(LookupError, match="lost"):
        careless(0)


@pytest.mark.parametrize(
    "given",
    [{"nummer": 1}, {"number": "many"}],
    ids=["an unknown name", "a value that does not fit"],
)
def test_parameters_that_do_not_fit_are_refused_where_it_is_called(given: dict[str, Any]) -> None:
    @flow
    def asking(number: int) -> str:
        try:
            continue_as_new(given)
        except ParameterError as error:
            return type(error).__name__

    assert asking(1) == "ParameterError"


def test_it_is_refused_in_a_task_and_outside_of_runs() -> None:
    @task
    def inside() -> None:
        continue_as_new()

    @flow
    def parent() -> None:
        inside()

    with pytest.raises(MissingContextError, match="call it in the flow"):
        parent()
    with pytest.raises(MissingContextError):
        continue_as_new()


def test_a_durable_run_tells_with_what_it_goes_on_and_does_so_again_after_a_crash() -> None:
    chain = MemoryChain()
    bodies = []

    @flow
    def loop(cursor: int, size: int = 7) -> None:
        bodies.append(cursor)
        continue_as_new({"cursor": cursor + 1})

    def attempt(number: int) -> Any:
        context = RunContext("loop")
        context.journal = open_journal(chain, holder=Holder(attempt=number, process="p"))
        return execute(loop, parameters={"cursor": 1}, context=context)

    first, second = attempt(1), attempt(2)

    for outcome in (first, second):
        assert (outcome.reason, outcome.state.is_completed()) == ("ContinuedAsNew", True)
        assert outcome.continuation.parameters == {"cursor": 2}
        assert outcome.parameters == {"cursor": 2, "size": 7}
    assert bodies == [1]


def test_the_failure_of_a_child_can_be_pickled_with_its_name() -> None:
    import pickle

    error = ChildRunFailed("it ended", run="one", state="Failed")

    copy = pickle.loads(pickle.dumps(error))

    assert (str(copy), copy.run, copy.state) == ("it ended", "one", "Failed")
