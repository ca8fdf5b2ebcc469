"""The way in for those who run somebody's flow: the in-pod runner and the command line.

    context = RunContext("daily-x7k2p")
    outcome = execute(flow, parameters={"day": "2026-11-20"}, context=context, reporter=reporter)

and, from any other thread, ``context.request_cancel()``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

from penstock.drivers.call import LiveCall
from penstock.drivers.context import RunContext
from penstock.drivers.runlog import complain
from penstock.drivers.suspension import Problem
from penstock.drivers.threads import run_inline
from penstock.engine.continuing import continuation_in
from penstock.engine.definition import Definition
from penstock.engine.final import in_words
from penstock.engine.outcome import Outcome, OutcomeReason
from penstock.engine.runs import Reporter
from penstock.errors import (
    JournalError,
    ParameterError,
    StoreUnusable,
    UnreadableResult,
    UnstorableValue,
)
from penstock.logging import show_by_default
from penstock.own_code import digest_of_code
from penstock.parameters import by_name
from penstock.states import Crashed, Failed, State, StateType
from penstock.tracebacks import report_error

if TYPE_CHECKING:
    from penstock.flows import Flow
    from penstock.journal.large import Files
    from penstock.journal.run_journal import RunJournal

__all__ = ["Overrides", "RunContext", "execute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Options of one run that take the place of the decorator's; ``None`` leaves them."""

    retries: int | None = None
    retry_delay_seconds: float | None = None
    timeout_seconds: float | None = None


def execute(
    flow: Flow[..., object],
    *,
    parameters: Mapping[str, object],
    context: RunContext,
    reporter: Reporter | None = None,
    overrides: Overrides | None = None,
) -> Outcome:
    """Run ``flow`` in the calling thread until it is final, and tell what came of it.

    ``parameters`` are validated and coerced from the type hints first. Nothing that the flow
    does makes this raise, ``SystemExit`` and ``KeyboardInterrupt`` in the body included.
    """
    show_by_default()
    if reporter is not None:
        context.reporters = (reporter,)
    definition = _overridden(flow.definition, overrides or Overrides())
    if context.journal is not None:
        context.journal.when_stuck = partial(_need_mending, context)
    try:
        call = _prepared(flow, parameters, context=context, definition=definition)
    except ParameterError as error:
        state: State[object] = Failed(message=str(error), data=error)
        return _outcome(state, OutcomeReason.INVALID_PARAMETERS)
    except JournalError as error:
        return _outcome(Crashed(message=str(error), data=error), OutcomeReason.JOURNAL_UNUSABLE)
    state = _run(call)
    if context.journal is not None:
        state = _once_stored(state, context=context, journal=context.journal)
    going_on = continuation_in(state)
    if going_on is not None:
        return Outcome(
            state,
            OutcomeReason.CONTINUED_AS_NEW,
            state.message,
            continuation=going_on,
            parameters={**by_name(flow.fn, call.args, call.kwargs), **going_on.parameters},
        )
    return _outcome(state, _reason(state))


def _once_stored(
    state: State[object], *, context: RunContext, journal: RunJournal
) -> State[object]:
    """Return the state once everything is stored that led to it; nobody hears of it before."""
    try:
        journal.flush()
    except JournalError as error:
        if isinstance(error, StoreUnusable):
            _need_mending(context, error)
        return state if state.is_crashed() else Crashed(message=str(error), data=error)
    return state


def _need_mending(context: RunContext, error: UnreadableResult | StoreUnusable) -> None:
    if isinstance(error, StoreUnusable):
        problem = Problem(reason="StoreUnusable", name="store", message=str(error))
    else:
        problem = Problem(reason="ResultUnreadable", name=error.name, message=str(error))
    context.need_person(problem)


def _prepared(
    flow: Flow[..., object],
    parameters: Mapping[str, object],
    *,
    context: RunContext,
    definition: Definition,
) -> LiveCall:
    """Return the call; a run that is taken up again gets what it was started with."""
    journal, persistence = context.journal, definition.persistence
    if journal is not None and persistence is not None and persistence.storage is not None:
        journal.keep_large_in(cast("Files", persistence.storage), run=context.run_id)
    if journal is not None and flow.options.get("durability") == "pipelined":
        journal.run_ahead()
    given = journal.given() if journal else None
    if given is not None:
        args, kwargs = given
        call = flow.prepare(args, kwargs, context=context, definition=definition, checked=True)
        _meet_code(flow, call)
        return call
    inherited = journal.inherited() if journal else None
    if inherited is not None:
        parameters = {**by_name(flow.fn, *inherited), **parameters}
    call = flow.prepare((), dict(parameters), context=context, definition=definition)
    if journal is not None:
        try:
            call.args, call.kwargs = journal.record_given(
                call.args, call.kwargs, code=digest_of_code(flow.fn)
            )
        except UnstorableValue as error:
            complain(call.run, f"The parameters are taken anew by each later attempt: {error}")
    return call


def _meet_code(flow: Flow[..., object], call: LiveCall) -> None:
    """Say so if the flow's code has changed since the launch before."""
    journal = call.context.journal if call.context else None
    digest = digest_of_code(flow.fn)
    if journal is not None and digest is not None and journal.meet_code(digest):
        complain(
            call.run,
            "The flow's file, or one beside it that it imports, has changed since the run was last "
            "launched. What had finished keeps its results; all else runs as it is now.",
        )


def _overridden(definition: Definition, overrides: Overrides) -> Definition:
    retry = definition.retry
    if overrides.retries is not None:
        retry = replace(retry, retries=overrides.retries)
    if overrides.retry_delay_seconds is not None:
        retry = replace(retry, delays=(overrides.retry_delay_seconds,))
    timeout = overrides.timeout_seconds or definition.timeout_seconds
    return replace(definition, retry=retry, timeout_seconds=timeout)


def _run(call: LiveCall) -> State[object]:
    if not call.definition.is_async:
        return run_inline(call)
    import asyncio

    from penstock.drivers.loops import run_awaited

    return asyncio.run(run_awaited(call))


def _reason(state: State[object]) -> OutcomeReason:
    if state.name == "TimedOut":
        return OutcomeReason.TIMED_OUT
    if isinstance(state.data, JournalError):
        return OutcomeReason.JOURNAL_UNUSABLE
    return {
        StateType.COMPLETED: OutcomeReason.COMPLETED,
        StateType.CRASHED: OutcomeReason.USER_EXIT,
        StateType.CANCELLED: OutcomeReason.CANCEL_REQUESTED,
    }.get(state.type, OutcomeReason.FLOW_FAILED)


def _outcome(state: State[object], reason: OutcomeReason) -> Outcome:
    if state.is_completed():
        return Outcome(state, reason, state.message or "The flow completed.", result=state.data)
    error = state.data if isinstance(state.data, BaseException) else state.error()
    message = state.message or in_words(error)
    return Outcome(state, reason, message, error=report_error(error))
