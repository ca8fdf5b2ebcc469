"""Calling, submitting and mapping tasks."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from penstock import flow, task, unmapped
from penstock.errors import MappingError
from penstock.futures import PenstockFuture, as_completed, wait
from penstock.task_runners import ThreadPoolTaskRunner


@task
def add(x: int, y: int = 1) -> int:
    return x + y


def test_a_flow_is_called_like_the_function_it_was() -> None:
    @flow
    def double(x: int) -> int:
        return 2 * x

    assert double(3) == 6


def test_a_task_called_in_a_flow_returns_its_result() -> None:
    @flow
    def sums() -> list[int]:
        return [add(1), add(1, y=2)]

    assert sums() == [2, 3]


def test_a_task_can_be_called_outside_any_flow() -> None:
    assert add(1, 2) == 3


def test_a_submitted_task_gives_a_future_of_its_result() -> None:
    @flow
    def later() -> int:
        future = add.submit(1)
        assert isinstance(future, PenstockFuture)
        return future.result()

    assert later() == 2


def test_values_and_never_futures_reach_a_body() -> None:
    @dataclass
    class Box:
        content: object

    @task
    def contents(plain: object, nested: dict[str, list[object]], box: Box) -> object:
        return plain, nested, box.content

    @flow
    def pass_futures() -> object:
        one, two = add.submit(0), add.submit(1)
        return contents(one, {"key": [two, (one,)]}, Box({"deep": two}))

    assert pass_futures() == (1, {"key": [2, (1,)]}, {"deep": 2})


def test_an_argument_without_futures_reaches_the_body_as_the_same_object() -> None:
    @task
    def identity(value: object) -> object:
        return value

    @flow
    def passes_through() -> bool:
        add.submit(1)
        value = [{"a": (1, 2)}, {3}]
        return identity(value) is value

    assert passes_through()


def test_futures_that_a_flow_returns_are_resolved() -> None:
    @flow
    def hand_back() -> object:
        return {"one": add.submit(0), "many": add.map([1, 2])}

    assert hand_back() == {"one": 1, "many": [2, 3]}


def test_map_calls_the_task_once_for_each_element() -> None:
    @flow
    def mapped() -> list[int]:
        return add.map([1, 2, 3], [10, 20, 30]).result()

    assert mapped() == [11, 22, 33]


def test_map_hands_unmapped_values_and_strings_to_every_task() -> None:
    @task
    def join(letter: str, word: str, numbers: list[int]) -> str:
        return f"{letter}{word}{sum(numbers)}"

    @flow
    def mapped() -> list[str]:
        return join.map(["a", "b"], "xyz", numbers=unmapped([1, 2])).result()

    assert mapped() == ["axyz3", "bxyz3"]


def test_map_takes_a_future_of_a_list_and_a_list_of_futures() -> None:
    @task
    def numbers() -> list[int]:
        return [1, 2, 3]

    @flow
    def mapped() -> list[int]:
        return add.map(add.map(numbers.submit()), y=unmapped(add.submit(9))).result()

    assert mapped() == [12, 13, 14]


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        pytest.param((1, 2), "at least one iterable", id="no-iterable"),
        pytest.param(([1], [1, 2]), "argument 1 has 1, argument 2 has 2", id="unequal-lengths"),
    ],
)
def test_map_refuses_arguments_that_do_not_match(args: tuple[object, ...], complaint: str) -> None:
    @flow
    def mapped() -> object:
        return add.map(*args)

    with pytest.raises(MappingError, match=complaint):
        mapped()


def test_mapping_over_nothing_gives_nothing() -> None:
    @flow
    def mapped() -> list[int]:
        return add.map([]).result()

    assert mapped() == []


def test_wait_for_holds_a_task_back_until_another_completed() -> None:
    order: list[str] = []
    gate = threading.Event()

    @task
    def first() -> None:
        gate.wait(60)
        order.append("first")

    @task
    def second() -> None:
        order.append("second")

    @flow
    def ordered() -> None:
        future = first.submit()
        follower = second.submit(wait_for=[future])
        gate.set()
        follower.wait()

    ordered()

    assert order == ["first", "second"]


def test_no_more_bodies_run_at_once_than_there_are_workers() -> None:
    lock = threading.Lock()
    now: list[int] = []
    most: list[int] = []
    both_in = threading.Barrier(2)

    @task
    def body(number: int) -> None:
        with lock:
            now.append(number)
            most.append(len(now))
        both_in.wait(60)
        with lock:
            now.remove(number)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
    def bounded() -> None:
        body.map(range(10)).wait()

    bounded()

    assert max(most) == 2


def test_a_body_that_waits_for_another_task_gives_its_slot_to_it() -> None:
    """In a bounded pool of Prefect's, nested ``submit().result()`` waits for ever."""

    @task
    def depth(levels: int) -> int:
        return 0 if levels == 0 else depth.submit(levels - 1).result() + 1

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def nested() -> list[int]:
        return depth.map([5, 6]).result()

    assert nested() == [5, 6]


def test_as_completed_yields_futures_as_they_end() -> None:
    first_may_end = threading.Event()

    @task
    def wait_for_gate() -> str:
        first_may_end.wait(60)
        return "slow"

    @task
    def at_once() -> str:
        return "quick"

    @flow
    def in_order() -> list[str]:
        results = []
        for future in as_completed([wait_for_gate.submit(), at_once.submit()]):
            results.append(future.result())
            first_may_end.set()
        return results

    assert in_order() == ["quick", "slow"]


def test_wait_tells_what_ended_in_time_from_what_did_not() -> None:
    gate = threading.Event()

    @task
    def held() -> None:
        gate.wait(60)

    @flow
    def waits() -> tuple[bool, bool]:
        quick, slow = add.submit(1), held.submit()
        quick.wait()
        done, not_done = wait([quick, slow], timeout=0.01)
        gate.set()
        return done == {quick}, not_done == {slow}

    assert waits() == (True, True)


def test_a_result_that_is_late_raises_a_timeout_and_goes_on() -> None:
    gate = threading.Event()

    @task
    def held() -> str:
        gate.wait(60)
        return "there"

    @flow
    def impatient() -> str:
        future = held.submit()
        with pytest.raises(TimeoutError, match=r"held-0 did not end within 0\.01 seconds"):
            future.result(timeout=0.01)
        gate.set()
        return future.result()

    assert impatient() == "there"


def test_done_callbacks_get_the_future_before_and_after_its_end() -> None:
    seen: list[object] = []

    @flow
    def calls_back() -> None:
        future = add.submit(1)
        future.add_done_callback(lambda f: seen.append(f.result()))
        future.wait()
        future.add_done_callback(lambda f: seen.append(f is future))

    calls_back()

    assert seen == [2, True]


def test_return_state_gives_the_state_instead_of_the_result() -> None:
    @flow
    def states() -> list[object]:
        return [add(1, return_state=True).result(), add.submit(2, return_state=True).result()]

    assert states() == [2, 3]
    assert states(return_state=True).is_completed()


def test_map_with_return_state_gives_the_states_and_takes_the_failures() -> None:
    @task
    def divide(x: int) -> float:
        return 1 / x

    @flow
    def run() -> list[str]:
        return [state.name for state in divide.map([1, 0], return_state=True)]

    assert run() == ["Completed", "Failed"]


def test_a_state_among_the_arguments_is_replaced_by_its_result() -> None:
    @flow
    def passes_state() -> int:
        return add(add(1, return_state=True))  # type: ignore[arg-type] # what the test is about

    assert passes_state() == 3


def test_with_options_changes_a_copy() -> None:
    renamed = add.with_options(name="plus", retries=2)

    assert (renamed.name, renamed.retries, renamed(1)) == ("plus", 2, 2)
    assert (add.name, add.retries) == ("add", 0)


def test_a_method_can_be_a_task_and_a_flow() -> None:
    class Counter:
        start = 10

        @task
        def count(self, number: int) -> int:
            return self.start + number

        @flow
        def total(self, numbers: list[int]) -> int:
            return sum(self.count.map(numbers).result())

    assert Counter().total([1, 2]) == 23


def test_a_flow_that_ran_leaves_no_thread_behind() -> None:
    @flow(name="fleeting")
    def threaded() -> list[int]:
        return add.map(range(20)).result()

    threaded()
    left = [thread for thread in threading.enumerate() if "fleeting" in thread.name]
    for thread in left:
        thread.join(60)

    assert not any(thread.is_alive() for thread in left)


@pytest.mark.parametrize(
    ("decorate", "complaint"),
    [
        pytest.param(lambda: task(retires=3), "no option retires", id="typo"),
        pytest.param(lambda: task(retries=-1), "at least 0", id="negative-retries"),
        pytest.param(lambda: task(timeout_seconds=0), "greater than 0", id="no-time"),
        pytest.param(lambda: flow(retry_delay_seconds=-1), "negative", id="negative-delay"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_at_decoration(
    decorate: object, complaint: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=complaint):
        decorate()(lambda: None)  # type: ignore[operator] # half of them raise before


def test_a_parameter_that_the_engine_needs_is_refused_at_decoration() -> None:
    with pytest.raises(TypeError, match="Rename the parameter wait_for"):
        task(lambda wait_for: wait_for)


def test_options_are_attributes_of_flows_and_tasks() -> None:
    """Tests of Prefect's code assert on them; what was not given is None."""
    optional = task(log_prints=True, task_run_name="add {x}")(add.fn)

    assert (optional.log_prints, optional.task_run_name) == (True, "add {x}")
    assert (optional.cache_policy, optional.persist_result) == (None, None)
    assert flow(flow_run_name="f")(add.fn).flow_run_name == "f"
    assert not hasattr(optional, "flow_run_name")
