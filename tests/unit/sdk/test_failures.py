"""What a failure does to the flow: taken, lost, passed on."""

from __future__ import annotations

import pytest

from penstock import allow_failure, flow, task
from penstock.errors import CrashedRun, UpstreamNotCompleted
from penstock.futures import as_completed
from penstock.states import Completed, Failed, State


@task
def fail(message: str = "broken") -> int:
    raise ValueError(message)


@task
def use(value: object) -> object:
    return value


def test_a_called_task_raises_its_exception_in_the_flow() -> None:
    @flow
    def calls() -> None:
        fail()

    with pytest.raises(ValueError, match="broken"):
        calls()


def test_a_failure_that_the_flow_catches_does_not_fail_it() -> None:
    @flow
    def careful() -> str:
        try:
            fail.submit().result()
        except ValueError:
            return "caught"
        return "not reached"

    assert careful() == "caught"


def test_several_lost_failures_come_as_a_group() -> None:
    @flow
    def forgets() -> None:
        fail.submit("one")
        fail.submit("two")

    with pytest.raises(ExceptionGroup) as caught:
        forgets()

    assert sorted(map(str, caught.value.exceptions)) == ["one", "two"]


def test_lost_failures_are_notes_on_the_exception_of_the_body() -> None:
    @flow
    def both() -> None:
        fail.submit("lost").wait()
        raise KeyError("body")

    with pytest.raises(KeyError) as caught:
        both()

    assert caught.value.__notes__ == ["A submitted task failed as well: ValueError: lost"]


def _take_by_result() -> None:
    fail.submit().result(raise_on_failure=False)


def _take_by_state() -> None:
    future = fail.submit()
    future.wait()
    assert future.state.is_failed()


def _take_by_allow_failure() -> None:
    assert isinstance(use(allow_failure(fail.submit())), ValueError)


def _take_by_return_state() -> None:
    assert fail.submit(return_state=True).is_failed()


@pytest.mark.parametrize(
    "take", [_take_by_result, _take_by_state, _take_by_allow_failure, _take_by_return_state]
)
def test_a_failure_is_taken(take: object) -> None:
    @flow
    def takes() -> str:
        take()  # type: ignore[operator] # one of the functions above
        return "fine"

    assert takes() == "fine"


def _look_by_wait() -> None:
    fail.submit().wait()


def _look_by_as_completed() -> None:
    list(as_completed([fail.submit()]))


def _look_by_callback() -> None:
    fail.submit().add_done_callback(lambda _: None)


@pytest.mark.parametrize("look", [_look_by_wait, _look_by_as_completed, _look_by_callback])
def test_looking_does_not_take_a_failure(look: object) -> None:
    @flow
    def looks() -> None:
        look()  # type: ignore[operator] # one of the functions above

    with pytest.raises(ValueError, match="broken"):
        looks()


def test_a_returned_future_decides_the_final_state() -> None:
    @flow
    def returns() -> object:
        return [use.submit(1), fail.submit()]

    state = returns(return_state=True)

    assert state.is_failed()
    assert isinstance(state.data, ValueError)


def test_a_dependent_of_a_failed_task_does_not_run_and_names_it() -> None:
    ran: list[object] = []

    @task
    def dependent(value: object) -> None:
        ran.append(value)

    @flow
    def chain() -> None:
        dependent.submit(fail.submit()).result()

    with pytest.raises(UpstreamNotCompleted, match="because fail-0 ended as Failed") as caught:
        chain()

    assert isinstance(caught.value.__cause__, ValueError)
    assert ran == []


def test_a_dependent_that_never_ran_is_named_not_ready() -> None:
    @flow
    def chain() -> State[object]:
        return use.submit(1, wait_for=[fail.submit()], return_state=True)

    state = chain(return_state=True)

    assert (state.name, state.is_failed()) == ("NotReady", True)


def test_one_failure_with_many_dependents_is_reported_once() -> None:
    @flow
    def fan_out() -> None:
        broken = fail.submit()
        use.submit(use.submit(broken))
        use.map([broken, broken])

    with pytest.raises(ValueError, match="broken"):
        fan_out()


def test_an_upstream_whose_dependent_was_taken_is_not_reported_again() -> None:
    @flow
    def takes_dependent() -> str:
        use.submit(fail.submit()).result(raise_on_failure=False)
        return "fine"

    assert takes_dependent() == "fine"


def test_tasks_that_did_not_start_never_do_once_the_flow_failed() -> None:
    ran: list[str] = []

    @task
    def late() -> None:
        ran.append("late")

    @task(retries=1, retry_delay_seconds=60)
    def retried() -> None:
        raise ValueError

    @flow
    def breaks() -> None:
        late.submit(wait_for=[retried.submit()])
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        breaks()

    assert ran == []


def test_a_crashed_task_raises_what_can_be_caught() -> None:
    @task
    def leave() -> None:
        raise SystemExit(3)

    @flow
    def survives() -> str:
        try:
            leave.submit().result()
        except CrashedRun as crash:
            return type(crash.__cause__).__name__
        return "not reached"

    assert survives() == "SystemExit"


def test_system_exit_in_the_flow_leaves_the_process_as_it_asks() -> None:
    @flow
    def leaves() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit, match="3"):
        leaves()


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        pytest.param(Completed(message="done", data=1), "COMPLETED", id="completed"),
        pytest.param(Failed(message="no"), "FAILED", id="failed"),
        pytest.param([Completed(data=1), Failed(message="no")], "FAILED", id="one-of-two-failed"),
        pytest.param([Completed(data=1), Completed(data=2)], "COMPLETED", id="both-completed"),
        pytest.param(State.__new__, "COMPLETED", id="anything-else"),
    ],
)
def test_returned_states_decide_the_final_state(returned: object, expected: str) -> None:
    @flow
    def returns() -> object:
        return returned

    assert returns(return_state=True).type.value == expected


def test_tracebacks_hold_the_frames_of_the_body() -> None:
    @flow
    def calls() -> None:
        fail.submit().result()

    try:
        calls()
    except ValueError as error:
        frames = []
        trace = error.__traceback__
        while trace is not None:
            frames.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next

    assert frames[-1] == "fail"
    assert "calls" in frames
