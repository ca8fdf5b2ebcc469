"""The final-state rule: which state the end of a body leads to.

In this order: what stopped the body from outside (cancellation, crash, time-out), the exception
that the body raised, the failures that it left behind or handed back, the state that it returned,
and, where none of these speaks, success.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.ending import Ending, Settlement
from penstock.errors import CancelledRun, CrashedRun, TaskInterrupted
from penstock.states import Cancelled, Completed, Crashed, Failed, State, TimedOut


def final_state(ending: Ending, settlement: Settlement) -> State[object]:
    """Return the state of an attempt that ended with ``ending`` and left ``settlement``."""
    if settlement.cancelled is not None:
        return _cancelled(settlement.cancelled)
    if ending.error is not None:
        _note_lost(ending.error, settlement.lost)
        return _state_of_error(ending)
    if settlement.lost:
        return _state_of_lost(settlement.lost)
    return _state_of_value(ending.value)


def _state_of_error(ending: Ending) -> State[object]:
    error = ending.error
    assert error is not None
    if is_cancellation(error):
        return _cancelled(error)
    if ending.timed_out:
        return TimedOut(message=str(error), data=error)
    if isinstance(error, CrashedRun):
        return Crashed(message=str(error), data=error)
    if not isinstance(error, Exception):
        return Crashed(message=f"The run was torn down by {in_words(error)}.", data=error)
    if isinstance(error, TypeError | AttributeError):
        from penstock.engine.hints import add_hint

        add_hint(error)
    return Failed(message=in_words(error), data=error)


def interrupted(name: str) -> TaskInterrupted:
    """Return how a body fails that may have begun before, and must not begin twice."""
    return TaskInterrupted(
        f"{name}, or an equal call before it, began in this run and left no result: its process "
        "went away, or it was rolled back. at_most_once keeps it from running again; find out what "
        "it did, and start a new run if it has to be done."
    )


def is_cancellation(error: BaseException) -> bool:
    """Tell whether somebody stopped the body: Penstock, or asyncio by cancelling its task."""
    kind = type(error)
    return isinstance(error, CancelledRun) or (
        kind.__name__ == "CancelledError" and kind.__module__ == "asyncio.exceptions"
    )


def _cancelled(error: BaseException) -> State[object]:
    return Cancelled(message=str(error) or "The run was cancelled.", data=error)


def _state_of_lost(lost: Sequence[BaseException]) -> State[object]:
    crash = next((error for error in lost if isinstance(error, CrashedRun)), None)
    if crash is not None:
        return Crashed(message=f"A task crashed: {in_words(crash)}", data=crash)
    error = one_or_group(lost)
    if len(lost) == 1:
        return Failed(
            message=f"A task failed and nobody took its failure: {in_words(error)}", data=error
        )
    return Failed(message=f"{len(lost)} tasks failed and nobody took their failures.", data=error)


def one_or_group(errors: Sequence[BaseException]) -> BaseException:
    """Return the one error as it is, several as an exception group."""
    if len(errors) == 1:
        return errors[0]
    return BaseExceptionGroup("Several tasks failed", errors)


def _note_lost(error: BaseException, lost: Sequence[BaseException]) -> None:
    for other in lost:
        if other is not error:
            error.add_note(f"A submitted task failed as well: {in_words(other)}")


def _state_of_value(value: object) -> State[object]:
    if isinstance(value, State):
        return value if value.is_final() else _unfinished(value)
    states = _states_in(value)
    return _aggregate(states) if states else Completed(data=value)


def _states_in(value: object) -> list[State[object]]:
    """Return the states of a collection that holds nothing else."""
    if not isinstance(value, list | tuple | set):
        return []
    for item in value:
        if not isinstance(item, State):
            return []
    return list(value)


def _unfinished(state: State[object]) -> State[object]:
    return Failed(message=f"The body returned the state {state!r}, which is not final.")


def _aggregate(states: Sequence[State[object]]) -> State[object]:
    unsuccessful = [state for state in states if not state.is_completed()]
    if not unsuccessful:
        return Completed(message="All states completed.", data=states)
    message = f"{len(unsuccessful)} of {len(states)} states did not complete."
    return Failed(message=message, data=one_or_group([state.error() for state in unsuccessful]))


def in_words(error: BaseException) -> str:
    """Return the exception's class and message on one line."""
    message = str(error).strip()
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
