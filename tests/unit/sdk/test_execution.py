"""What the in-pod runner and the command line learn of a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock import flow, task
from penstock.execution import Overrides, RunContext
from penstock.states import Failed

from .diary import Diary, run


def test_a_completed_run_hands_over_its_result() -> None:
    outcome = run(flow(lambda x: x + 1, name="f"), {"x": 1})

    assert (outcome.state.name, outcome.reason, outcome.result) == ("Completed", "Completed", 2)
    assert outcome.error is None


def test_a_failed_run_hands_over_the_users_frames_alone() -> None:
    @task
    def fail() -> None:
        raise ValueError("broken")

    @flow
    def fails() -> None:
        fail.submit().result()

    outcome = run(fails)

    assert (outcome.reason, outcome.message) == ("FlowFailed", "ValueError: broken")
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("ValueError", "broken")
    assert outcome.error.traceback.count('File "') == 2
    assert "penstock/" not in outcome.error.traceback.replace(__file__, "")


def test_a_cause_and_a_group_are_in_the_traceback() -> None:
    @task
    def fail(name: str) -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError(name) from error

    outcome = run(flow(lambda: fail.map(["one", "two"]).wait(), name="f"))

    assert outcome.error is not None
    assert outcome.error.type == "ExceptionGroup"
    assert outcome.error.traceback.count("KeyError: 'inner'") == 2


@pytest.mark.parametrize("leave", [SystemExit, KeyboardInterrupt])
def test_leaving_the_process_is_a_crash_and_raises_nothing(leave: type[BaseException]) -> None:
    @flow
    def leaves() -> None:
        raise leave

    outcome = run(leaves)

    assert (outcome.state.name, outcome.reason) == ("Crashed", "UserExit")


def test_parameters_that_do_not_fit_are_told_apart_from_failures(diary: Diary) -> None:
    @flow
    def typed(number: int) -> None: ...

    outcome = run(typed, {"number": "x"}, reporter=diary)

    assert (outcome.state.name, outcome.reason) == ("Failed", "InvalidParameters")
    assert diary.entries == []


def test_a_returned_failed_state_is_a_failure() -> None:
    outcome = run(flow(lambda: Failed(message="not today"), name="f"))

    assert (outcome.reason, outcome.message) == ("FlowFailed", "not today")


def _counting(failures: int) -> tuple[list[int], Callable[[], None]]:
    calls: list[int] = []

    def body() -> None:
        calls.append(1)
        if len(calls) <= failures:
            raise ValueError

    return calls, body


def test_overrides_take_the_place_of_the_decorators_options() -> None:
    calls, body = _counting(failures=9)

    run(
        flow(body, retries=5, retry_delay_seconds=60),
        overrides=Overrides(retries=1, retry_delay_seconds=0.001),
    )

    assert len(calls) == 2


def test_an_override_of_no_retries_holds() -> None:
    calls, body = _counting(failures=9)

    run(flow(body, retries=5), overrides=Overrides(retries=0))

    assert len(calls) == 1


def test_an_override_of_the_timeout_holds() -> None:
    import threading

    may_end = threading.Event()

    outcome = run(
        flow(lambda: may_end.wait(60), name="f"), overrides=Overrides(timeout_seconds=0.01)
    )
    may_end.set()

    assert outcome.reason == "TimedOut"


def test_a_reporter_hears_of_every_change_of_state(diary: Diary) -> None:
    @task
    def step(value: int) -> int:
        return value

    @flow
    def steps() -> None:
        step(step.submit(1).result())

    run(steps, reporter=diary, context=RunContext("daily-1", name="daily-1"))

    assert diary.entries == [
        ("daily-1", "Running"),
        ("step-0", "Pending"),
        ("step-0", "Running"),
        ("step-0", "Completed"),
        ("step-1", "Running"),
        ("step-1", "Completed"),
        ("daily-1", "Completed"),
    ]


def test_a_record_of_a_run_says_when_and_what(diary: Diary) -> None:
    @task(tags=["io"])
    def step() -> None: ...

    run(flow(lambda: step(), name="f"), reporter=diary)
    record = diary.seen["step-0"]

    assert record.started_at is not None
    assert record.ended_at is not None
    assert record.started_at <= record.ended_at
    assert record.run_count == 1
    assert record.tags == {"io"}  # type: ignore[union-attr] # a task run


def test_runs_are_named_after_their_parameters_where_asked(diary: Diary) -> None:
    @task(task_run_name="step {value:02d}")
    def step(value: int, factor: int = 2) -> None: ...

    @task(task_run_name=lambda value: f"computed {value}")
    def other(value: int) -> None: ...

    @flow(flow_run_name="load {day}")
    def named(day: str = "monday") -> None:
        step(1)
        step.submit(2).wait()
        other(3)

    run(named, reporter=diary)

    assert set(diary.seen) >= {"load monday", "step 01", "step 02", "computed 3"}


def test_a_template_that_cannot_be_filled_in_fails_the_run() -> None:
    @flow(flow_run_name="load {nothing}")
    def named() -> None: ...

    outcome = run(named)

    assert outcome.reason == "FlowFailed"
    assert "load {nothing}" in outcome.message


def test_a_run_that_was_given_a_name_keeps_it(diary: Diary) -> None:
    @flow(flow_run_name="load")
    def named() -> None: ...

    run(named, reporter=diary, context=RunContext("id", name="daily-x7k2p"))

    assert set(diary.seen) == {"daily-x7k2p"}


def test_a_reporter_that_breaks_does_not_break_the_run() -> None:
    class Broken(Diary):
        def task_run_changed(self, run: object, state: object) -> None:
            raise RuntimeError("of the reporter")

    @task
    def step() -> int:
        return 1

    outcome = run(flow(lambda: step.submit().result(), name="f"), reporter=Broken())

    assert outcome.result == 1


def test_tasks_of_a_flow_that_is_retried_have_the_names_that_they_had() -> None:
    """So whoever counts them counts each once, and a failure that was made good as a success."""

    @task
    def good() -> None:
        """Succeed."""

    @task
    def flaky() -> None:
        if "Failed" not in diary.states_of("flaky-0"):
            raise ConnectionError("not now")

    @flow(retries=1)
    def both() -> None:
        good.submit()
        flaky()

    diary = Diary()
    run(both, reporter=diary)

    assert diary.ids == {"test-run", "test-run/good-0", "test-run/flaky-0"}
    assert diary.states_of("flaky-0") == ["Running", "Failed", "Running", "Completed"]
