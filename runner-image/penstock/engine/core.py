"""The core: what happens to one call of a flow or task, from its inputs to its final state.

Written once, for sync and async, tasks and flows, called and submitted. It does nothing itself:
it yields effects, and a driver of ``penstock.drivers`` carries them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from penstock.engine.cache_terms import CacheQuestion, Keeping
from penstock.engine.caching import cached_or
from penstock.engine.continuing import continued
from penstock.engine.definition import Condition, Definition, Kind
from penstock.engine.effects import (
    Announce,
    Ask,
    Await,
    Begin,
    CallHook,
    Complain,
    Draw,
    Find,
    FixDeadline,
    Pause,
    Record,
    RecordAttempt,
    RunBody,
    Steps,
)
from penstock.engine.ending import Ending, Settlement
from penstock.engine.final import final_state, in_words, interrupted
from penstock.engine.hooks import ON_RUNNING, Hook, Hooks
from penstock.engine.identity import CallKey
from penstock.engine.inputs import (
    Link,
    NotCompleted,
    links_in,
    not_ready,
    results_of,
    root_errors,
    values_of,
)
from penstock.engine.limiting import within_limits
from penstock.engine.retry import AttemptsUsed, delay_before_retry, may_retry, never_began
from penstock.engine.runs import FlowRun, TaskRun
from penstock.engine.settle import settle
from penstock.states import AwaitingRetry, Completed, Retrying, Running, State

if TYPE_CHECKING:
    from penstock.engine.transactions import Transaction


class Call(Protocol):
    """One call of a flow or task, as the core sees it."""

    @property
    def definition(self) -> Definition:
        """What is called."""

    @property
    def run(self) -> FlowRun | TaskRun:
        """The record of the run that the call makes."""

    @property
    def args(self) -> tuple[object, ...]:
        """Positional arguments as given, futures and all."""

    @property
    def kwargs(self) -> dict[str, object]:
        """Keyword arguments as given, futures and all."""

    @property
    def wait_for(self) -> Sequence[object]:
        """What else must complete before the body may run."""

    @property
    def upstreams(self) -> Sequence[Link]:
        """Every future among the arguments and in ``wait_for``."""

    @property
    def cancel_grace_seconds(self) -> float:
        """How long a flow's running tasks may take to end once it is cancelled."""

    @property
    def deadline(self) -> datetime | None:
        """When the last of its attempts has to have ended, once that is fixed."""

    def name_run(self, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        """Name the run after its arguments, where the author asked for it."""

    def may_meet_links(self) -> bool:
        """Tell whether the run has made futures or states: nothing is searched for them before."""

    def keeping(self) -> Keeping | None:
        """Return where the result is kept beyond this call; ``None``: nowhere."""

    def cache_question(self, args: tuple[object, ...], kwargs: dict[str, object]) -> CacheQuestion:
        """Return what a cache policy is asked about this call."""

    def draw_key(self, args: tuple[object, ...], kwargs: dict[str, object]) -> CallKey | None:
        """Return the call's key; ``None`` where nothing is journaled."""

    def own_transaction(self) -> Transaction | None:
        """Return the transaction that the call is, if anything is to be committed or undone."""


def run_call(call: Call) -> Steps[State[object]]:
    """Bring ``call`` to its final state and return it."""
    is_new = True
    try:
        state, is_new = yield from _lead_to_end(call)
    except GeneratorExit:
        raise
    except BaseException as interruption:  # the driver throws in what ends its waiting
        state = final_state(Ending(error=interruption), Settlement())
    yield Announce(state)
    hooks = call.definition.hooks
    transaction = call.own_transaction()
    if transaction is not None:
        state = yield from _end_transaction(transaction, state, hooks=hooks, is_new=is_new)
    if hooks and is_new:
        yield from _call_hooks(hooks.after(state), state)
    return state


def _end_transaction(
    transaction: Transaction, state: State[object], *, hooks: Hooks, is_new: bool
) -> Steps[State[object]]:
    from penstock.engine.concluding import conclude

    try:
        yield from conclude(transaction, state, hooks=hooks, is_new=is_new)
    except GeneratorExit:
        raise
    except BaseException as error:  # the journal is gone: nobody may count on the result
        yield Complain(f"The transaction of {transaction.name} could not be ended.", error)
        return final_state(Ending(error=error), Settlement())
    return state


def _call_hooks(hooks: Sequence[Hook], state: State[object]) -> Steps[None]:
    for hook in hooks:
        try:
            yield from CallHook(hook, state)
        except GeneratorExit:
            raise
        except BaseException as error:  # whatever it is, the run has its state
            yield Complain(f"The hook {hook.name} failed; the run goes on.", error)


def _call_hooks_once(
    hooks: Sequence[Hook], state: State[object], *, key: CallKey | None
) -> Steps[None]:
    """Call what is to hear that a run begins, unless it has heard in an earlier launch."""
    if not hooks:
        return
    called = None if key is None else key.beside(ON_RUNNING)
    if called is not None and (yield from Find(called)) is not None:
        return
    yield from _call_hooks(hooks, state)
    if called is not None:
        yield from Record(called, Completed())


def _lead_to_end(call: Call) -> Steps[tuple[State[object], bool]]:
    """Return the final state, and whether this call came to it by its own doing."""
    if call.upstreams:
        yield Await(call.upstreams)
    args, kwargs = call.args, call.kwargs
    if call.may_meet_links():
        try:
            values_of(call.wait_for)
            args, kwargs = values_of(args), values_of(kwargs)
        except NotCompleted as problem:
            return not_ready(problem), False
    key = call.draw_key(args, kwargs)
    if key is None:
        return (yield from _cached_or_run(call, args, kwargs)), True
    found = yield from Find(key)
    if isinstance(found, State):
        return found, False
    state = yield from _cached_or_run(call, args, kwargs, key=key, used=found)
    transaction = call.own_transaction()
    if transaction is not None and state.is_completed():
        yield from transaction.recording()
    return (yield from Record(key, state)), True


def _cached_or_run(
    call: Call,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    key: CallKey | None = None,
    used: AttemptsUsed | None = None,
) -> Steps[State[object]]:
    call.name_run(args, kwargs)
    keeping = call.keeping()
    if keeping is None:
        return (yield from _attempts(call, args, kwargs, key=key, used=used))
    return (
        yield from cached_or(
            keeping,
            lambda: call.cache_question(args, kwargs),
            lambda: _attempts(call, args, kwargs, key=key, used=used),
            transaction=call.own_transaction,
        )
    )


def _attempts(
    call: Call,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    key: CallKey | None,
    used: AttemptsUsed | None,
) -> Steps[State[object]]:
    run, policy = call.run, call.definition.retry
    if call.definition.total_timeout_seconds is not None:
        yield FixDeadline(key)
    if used is not None:
        run.run_count = used.attempts
        yield from _await_retry(used)
    is_limited = bool(run.tags) and call.definition.kind is Kind.TASK
    while True:
        attempt = _attempt(call, args, kwargs, key=key)
        state = yield from (within_limits(attempt) if is_limited else attempt)
        if not may_retry(policy, attempt=run.run_count, state=state):
            return state
        if never_began(call.definition.body, state):
            return state
        if policy.condition and not (yield from _agrees(policy.condition, call.run, state)):
            return state
        spread = (yield from Draw()) if policy.jitter_factor else 0.0
        delay = delay_before_retry(policy, retry=run.run_count, spread=spread)
        due = state.timestamp + timedelta(seconds=delay)
        if call.deadline is not None and due >= call.deadline:
            return state
        if key is not None:
            yield RecordAttempt(key, AttemptsUsed(run.run_count, due))
        message = f"Attempt {run.run_count} failed ({state.message}); retrying in {delay:g} s."
        yield Announce(AwaitingRetry(message=message))
        if delay:
            yield Pause(delay)


def _await_retry(used: AttemptsUsed) -> Steps[None]:
    """Wait as long as the process that went away would still have waited."""
    message = f"Attempt {used.attempts} failed before the run was taken up again."
    waiting = AwaitingRetry(message=message)
    yield Announce(waiting)
    left = (used.retry_at - waiting.timestamp).total_seconds()
    if left > 0:
        yield Pause(left)


def _attempt(
    call: Call, args: tuple[object, ...], kwargs: dict[str, object], *, key: CallKey | None
) -> Steps[State[object]]:
    run, hooks = call.run, call.definition.hooks
    run.run_count += 1
    if call.definition.at_most_once and key is not None and not (yield from Begin(key)):
        return final_state(Ending(error=interrupted(run.name)), Settlement())
    yield Announce(running := Running() if run.run_count == 1 else Retrying())
    if hooks and run.run_count == 1:
        yield from _call_hooks_once(hooks.after(running), running, key=key)
    ending = continued((yield from RunBody(args, kwargs)))
    handed_back = links_in(ending.value) if call.may_meet_links() else []
    settlement = Settlement()
    if call.definition.kind is Kind.FLOW:
        settlement = yield from settle(ending, handed_back, grace=call.cancel_grace_seconds)
    elif handed_back:
        yield Await(handed_back)
    if handed_back and settlement.cancelled is None:
        failures = root_errors(handed_back)
        settlement = Settlement(tuple(dict.fromkeys((*failures, *settlement.lost))))
        if not failures:
            ending = Ending(results_of(ending.value))
    return final_state(ending, settlement)


def _agrees(condition: Condition, run: FlowRun | TaskRun, state: State[object]) -> Steps[bool]:
    assert isinstance(run, TaskRun), "flows have no retry condition"
    answer = yield from Ask(lambda: condition(run, state))
    if answer.error is None:
        return bool(answer.value)
    if isinstance(state.data, BaseException):
        state.data.add_note(f"retry_condition_fn failed: {in_words(answer.error)}")
    return False
