"""Effects that take no time: the same in both drivers."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any, cast

from penstock.drivers.call import LiveCall
from penstock.drivers.frame import Frame
from penstock.drivers.runlog import RUN_LOG, complain, rolled_back
from penstock.engine.effects import (
    Acquire,
    Announce,
    AwaitStored,
    Begin,
    CloseTasks,
    Complain,
    Draw,
    Effect,
    Find,
    FixDeadline,
    GiveSlots,
    Hold,
    IsUndone,
    Keep,
    Lookup,
    Record,
    RecordAttempt,
    Release,
    StopTasks,
    TakeSlots,
    Undo,
)
from penstock.engine.identity import CallKey
from penstock.engine.retry import AttemptsUsed
from penstock.engine.runs import FlowRun, Reporter, TaskRun
from penstock.errors import UnstorableValue
from penstock.journal.protocol import Journal
from penstock.states import State, StateType


def carry_out(effect: Effect[object], *, call: LiveCall) -> object:
    """Carry out an effect that needs no waiting, and return its answer."""
    match effect:
        case Announce(state):
            announce(state, call=call)
        case Find() | Begin() | Record() | RecordAttempt() | AwaitStored() | Undo() | IsUndone():
            return _in_journal(effect, call=call)
        case Complain(message, error):
            complain(call.run, message, error=error)
        case Lookup() | Keep() | Hold() | Acquire() | Release():
            if not call.is_replay:
                return _in_results(effect)
            return True if isinstance(effect, Acquire) else None
        case FixDeadline(key):
            call.fix_deadline(key)
        case TakeSlots():
            return call.take_slots()
        case GiveSlots():
            call.give_slots()
        case StopTasks():
            _frame_of(call).stop()
        case CloseTasks():
            return _frame_of(call).close()
        case Draw():
            from random import random

            return random()  # noqa: S311 - spreads retries, guards nothing
        case _:
            raise NotImplementedError(f"No driver knows the effect {effect!r}.")
    return None


def takes_time(effect: Effect[object], *, call: LiveCall) -> bool:
    """Tell whether an effect takes time after all, because what keeps its value is far away."""
    match effect:
        case Lookup(results) | Keep(results):
            return results.waits
        case TakeSlots() | GiveSlots():
            return call.has_limits()
        case Acquire(lock) | Release(lock):
            return getattr(lock.locks, "waits", True)
        case Begin() | AwaitStored() | FixDeadline() | RecordAttempt():
            return call.journal is not None and call.journal.is_remote
        case Record() | Undo():
            return call.journal is not None and call.journal.holds_up()
    return False


def _in_journal(effect: Effect[object], *, call: LiveCall) -> object:
    journal = call.journal
    match effect:
        case Find(key):
            return _found(key, journal=journal, call=call) if journal else None
        case Begin(key):
            return journal is None or journal.begin(key)
        case Record(key, state):
            return _record(key, state, call=call)
        case AwaitStored() if journal:
            journal.flush()
        case RecordAttempt(key, used) if journal:
            beats = call.scope.beats if call.scope else None
            left = beats.unstored if beats else ()
            journal.record_attempt(key, used=used, epoch=call.epoch, beats=left)
        case Undo(key, in_later_attempts):
            if journal and key is not None:
                journal.forget(key, epoch=call.epoch if in_later_attempts else None)
            rolled_back(call.run)
        case IsUndone(key):
            return journal is not None and journal.is_undone(key)
    return None


def _in_results(effect: Effect[object]) -> object:
    match effect:
        case Lookup(results, key):
            return results.find(key)
        case Keep(results, key, entry):
            results.keep(key, entry=entry)
        case Hold(transaction, slot, entry):
            transaction.hold(slot, entry)
        case Acquire(lock):
            lock.holder = lock.holder or os.urandom(16).hex()
            return lock.locks.acquire_lock(lock.key, lock.holder, acquire_timeout=0)
        case Release(lock):
            lock.release()
    return None


def _found(
    key: CallKey, *, journal: Journal, call: LiveCall
) -> State[object] | AttemptsUsed | None:
    found = journal.find(key, epoch=call.epoch, by=call.serializer_of(key))
    if call.context is not None and call.context.last_launch is not None:
        call.context.last_launch.meet(found, key, call=call)
    past = journal.past
    if past is not None:
        if call.is_replay:
            from penstock.drivers.misses import replayed

            found = replayed(found, key, call=call, past=past)
        elif found is None:
            from penstock.drivers.misses import note_miss

            note_miss(key, call=call, past=past)
        elif isinstance(found, State):
            past.meet(key)
    if isinstance(found, State):
        _restore(journal.left(key), call=call)
        if call.is_made_once(key):
            journal.release(key)
    return found


def _restore(left: Sequence[object], *, call: LiveCall) -> None:
    """Bring back what a call that is not made again had left in the run's record."""
    if left and call.context is not None:
        from penstock.drivers.recording import restore

        records = cast("Sequence[dict[str, Any]]", left)
        restore(records, context=call.context, caller=call.caller)


def _left_by(call: LiveCall) -> list[dict[str, Any]]:
    """Return what the call has left in the run's record, itself and by what it called."""
    records = call.context.records.take_left(call.run.id) if call.context else []
    if not records:
        return []
    from penstock.drivers.recording import stored_form

    stored = stored_form(records)
    if len(stored) < len(records):
        complain(
            call.run,
            f"The journal has room for {len(stored)} of the {len(records)} artifacts, events "
            f"and values of {call.run.name}: the others are missing if the run is taken up again.",
        )
    return stored


def _record(key: CallKey, state: State[object], *, call: LiveCall) -> State[object]:
    if call.journal is None or call.abandoned:
        return state
    if (past := call.journal.past) is not None:
        from penstock.drivers.misses import tell_near_misses

        tell_near_misses(key.path, call=call, past=past)
    if state.is_completed():
        _look_at(state.data, key, call=call)
    try:
        recorded = call.journal.record(
            key, state=state, epoch=call.epoch, left=_left_by(call), by=call.serializer_of(key)
        )
        if call.is_made_once(key):
            call.journal.release(key)
        return recorded
    except UnstorableValue as error:
        if call.is_strict:
            raise
        later = "fail" if call.begins_once else "run again"
        complain(call.run, f"{error} {call.run.name} will {later} if the run is resumed.")
        return state


def _look_at(value: object, key: CallKey, *, call: LiveCall) -> None:
    """Warn of what a later launch would not have: changed arguments, and files of this pod."""
    if key.arguments and call.scope is not None and not call.has_constants():
        from penstock.drivers.mutations import warn_of_mutation

        warn_of_mutation(key, call=call)
    lives_on = call.context.outlives_pod if call.context is not None else None
    if lives_on is not None and type(value).__module__.partition(".")[0] == "pathlib":
        path = str(value)
        if not lives_on(path):
            complain(
                call.run,
                f"{call.run.name} returned the path {path}, which goes with this pod: no volume is "
                "mounted there. Return penstock.File(path), which stores the content.",
            )


def _frame_of(call: LiveCall) -> Frame:
    assert call.own_frame is not None, "only flows have tasks"
    return call.own_frame


def announce(state: State[object], *, call: LiveCall) -> None:
    """Make ``state`` the state of the call's run and tell whoever listens."""
    if call.counted is not None and not state.is_running():
        call.counted.end()
        call.counted = None
    if call.abandoned:
        return
    run = call.run
    run.state = state
    if run.started_at is None and state.type is StateType.RUNNING:
        run.started_at = state.timestamp
    elif state.is_final():
        run.ended_at = state.timestamp
    report_to(RUN_LOG, run, state)
    for reporter in call.context.reporters if call.context else ():
        report_to(reporter, run, state)


def report_to(reporter: Reporter, run: FlowRun | TaskRun, state: State[object]) -> None:
    """Tell one reporter; that it breaks must not break the run."""
    try:
        if isinstance(run, FlowRun):
            reporter.flow_run_changed(run, state)
        else:
            reporter.task_run_changed(run, state)
    except Exception:
        logging.getLogger("penstock").exception("A reporter failed; the run goes on.")
