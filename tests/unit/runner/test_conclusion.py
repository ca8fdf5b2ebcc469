"""How an attempt ended, in the words of the final report."""

import pytest

from penstock.engine.outcome import ErrorReport, Outcome, OutcomeReason
from penstock.errors import FlowLoadError
from penstock.runner.conclusion import (
    conclude_cancelled_before_start,
    conclude_not_loaded,
    conclude_outcome,
    describe_result,
)
from penstock.runner.report import Result
from penstock.states import Cancelled, Completed, Crashed, Failed, State, TimedOut


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("state", "reason", "word"),
    [
        (Completed(), OutcomeReason.COMPLETED, "Completed"),
        (Failed(), OutcomeReason.FLOW_FAILED, "Failed"),
        (TimedOut(), OutcomeReason.TIMED_OUT, "Failed"),
        (Crashed(), OutcomeReason.USER_EXIT, "Crashed"),
        (Cancelled(), OutcomeReason.CANCEL_REQUESTED, "Cancelled"),
    ],
)
def test_a_state_has_one_word(state: State[object], reason: OutcomeReason, word: str) -> None:
    conclusion = conclude_outcome(Outcome(state, reason, message="So."), preview=False)

    assert (conclusion.state, conclusion.reason, conclusion.message) == (word, reason.value, "So.")


def test_only_a_completed_run_has_a_result() -> None:
    error = ErrorReport("ValueError", message="no", traceback="…")
    failed = Outcome(Failed(), OutcomeReason.FLOW_FAILED, message="No.", error=error)

    conclusion = conclude_outcome(failed, preview=True)

    assert (conclusion.result, conclusion.error) == (None, error)


def test_an_import_error_is_told_with_the_user_s_traceback() -> None:
    try:
        raise FlowLoadError("flow.py cannot be imported.\nTraceback …") from ImportError(
            "no pandas"
        )
    except FlowLoadError as error:
        conclusion = conclude_not_loaded(error)

    assert (conclusion.state, conclusion.reason) == ("Failed", "EntrypointNotLoaded")
    assert conclusion.message == "flow.py cannot be imported."
    assert conclusion.error is not None
    assert (conclusion.error.type, conclusion.error.message) == ("ImportError", "no pandas")
    assert "ImportError: no pandas" in conclusion.error.traceback


def test_a_run_cancelled_before_it_began_is_cancelled() -> None:
    conclusion = conclude_cancelled_before_start({}, attempt=1)

    assert conclusion.reason == "CancelRequested"
    assert conclusion.message == "The run was cancelled before its flow began."


def test_a_later_attempt_that_is_cancelled_does_not_deny_the_work_of_the_earlier_ones() -> None:
    run = {"status": {"execution": {"attempt": 1, "progress": "4/5"}}}

    conclusion = conclude_cancelled_before_start(run, attempt=2)

    assert conclusion.message == (
        "The run was cancelled before its flow went on in attempt 2; 4/5 task runs were done by"
        " then."
    )


@pytest.mark.parametrize(
    ("result", "preview", "expected"),
    [
        (42, True, Result("int", preview="42")),
        (42, False, Result("int")),
        (None, True, Result("NoneType", preview="None")),
        (Unprintable(), True, Result(f"{__name__}.Unprintable", preview="<…>")),
    ],
    ids=["shown", "not shown", "nothing", "unprintable"],
)
def test_a_result_is_described(result: object, expected: Result, *, preview: bool) -> None:
    described = describe_result(result, preview=preview)

    assert described.type == expected.type
    assert (described.preview is None) == (expected.preview is None)


def test_the_preview_of_a_huge_result_is_small() -> None:
    described = describe_result([list(range(10_000))] * 10_000, preview=True)

    assert described.preview is not None
    assert len(described.preview) < 50_000
