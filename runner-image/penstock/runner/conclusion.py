"""How an attempt ended, in the words of the final report."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from penstock.engine.outcome import Outcome
from penstock.errors import ChildRunRefused, JournalError, RerunImpossible
from penstock.runner.launch import last_report
from penstock.runner.report import Conclusion, Result
from penstock.states import StateType
from penstock.tracebacks import report_error

PREVIEW = 1024


def conclude_outcome(outcome: Outcome, *, preview: bool) -> Conclusion:
    """Tell what came of a flow that was run."""
    completed = outcome.state.type is StateType.COMPLETED
    return Conclusion(
        state=outcome.state.type.capitalize(),
        reason=outcome.reason.value,
        message=outcome.message,
        finished_at=datetime.now(UTC),
        error=outcome.error,
        result=describe_result(outcome.result, preview=preview) if completed else None,
    )


def conclude_not_loaded(error: BaseException) -> Conclusion:
    """Tell that there was no flow to run."""
    sentence, _, _ = str(error).partition("\n")
    return Conclusion(
        state="Failed",
        reason="EntrypointNotLoaded",
        message=sentence,
        finished_at=datetime.now(UTC),
        error=report_error(error.__cause__ or error),
    )


def conclude_no_rerun(error: RerunImpossible) -> Conclusion:
    """Tell that there is nothing that the run could begin with."""
    return Conclusion(
        state="Failed",
        reason="RerunImpossible",
        message=str(error),
        finished_at=datetime.now(UTC),
        error=report_error(error),
    )


def conclude_unusable_journal(error: JournalError) -> Conclusion:
    """Tell that what the run did before cannot be known, so that it must not go on."""
    return Conclusion(
        state="Crashed",
        reason="JournalUnusable",
        message=str(error),
        finished_at=datetime.now(UTC),
        error=report_error(error),
    )


def conclude_cancelled_before_start(run: Mapping[str, Any], *, attempt: int) -> Conclusion:
    """Tell that this attempt has run nothing, because nobody wants the run any more; ``run`` has
    what the attempt before reported."""
    words = "its flow began" if attempt == 1 else f"its flow went on in attempt {attempt}"
    report = last_report(run)
    if report.get("attempt", attempt) < attempt and (progress := report.get("progress")):
        words += f"; {progress} task runs were done by then"
    return Conclusion(
        state="Cancelled",
        reason="CancelRequested",
        message=f"The run was cancelled before {words}.",
        finished_at=datetime.now(UTC),
    )


def conclude_cancelled_between() -> Conclusion:
    """Tell that the run was cancelled when it was about to go on as another."""
    return Conclusion(
        state="Cancelled",
        reason="CancelRequested",
        message="The run was cancelled before it went on as a new one.",
        finished_at=datetime.now(UTC),
    )


def conclude_no_successor(error: ChildRunRefused) -> Conclusion:
    """Tell that the run could not go on as another."""
    return Conclusion(
        state="Failed",
        reason="FlowFailed",
        message=str(error),
        finished_at=datetime.now(UTC),
        error=report_error(error),
    )


def describe_result(result: object, *, preview: bool) -> Result:
    """Name a result's type and, if asked for, show its beginning."""
    kind = type(result)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return Result(
        type=f"{module}{kind.__qualname__}", preview=_preview(result) if preview else None
    )


def _preview(result: object) -> str:
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = PREVIEW
    shortener.maxlist = shortener.maxtuple = shortener.maxdict = 50
    try:
        return shortener.repr(result)
    except Exception as error:  # the user's __repr__
        return f"<its repr raised {type(error).__name__}>"
