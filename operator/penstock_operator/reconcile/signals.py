"""What becomes of the signals sent to a run.

A signal is Pending until the run's journal has settled it. The runner says so in its report, and
the operator, the only writer of a Signal's status, passes it on. Until then the report counts.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from penstock_operator.model.execution import SettledSignal
from penstock_operator.model.signal import LARGEST_PAYLOAD, SignalStatus
from penstock_operator.model.states import SignalState
from penstock_operator.reconcile.actions import (
    Action,
    DeleteSignal,
    PatchSignalStatus,
    Plan,
    Target,
)
from penstock_operator.reconcile.case import RunCase
from penstock_operator.reconcile.relatives import heir
from penstock_operator.reconcile.text import shorten
from penstock_operator.reconcile.views import RunName, RunView, SignalView

EARLY = timedelta(hours=1)
"""How long a signal is kept for a run that does not exist yet."""


def awaited_signal(case: RunCase) -> SignalView | None:
    """Return the oldest signal that the run waits for and has not settled."""
    suspension = case.suspension
    if suspension is None:
        return None
    names = {*suspension.signals}
    if suspension.kind == "Signal" and suspension.name is not None:
        names.add(suspension.name)
    return next((each for each in _open(case) if each.signal in names), None)


def settle_signals(case: RunCase) -> tuple[Action, ...]:
    """Write down what became of the run's pending signals; bind the others to this very run."""
    return tuple(
        PatchSignalStatus(_target(each), status)
        for each, status in _verdicts(case)
        if status != _status_of(each)
    )


def plan_signal_collection(
    signals: tuple[SignalView, ...], *, runs: frozenset[RunName], now: datetime
) -> Plan:
    """Plan the deletion of those whose run is no more, or has not come in time."""
    uids = {run.uid for run in runs}
    names = {(run.namespace, run.name) for run in runs}

    def is_orphan(signal: SignalView) -> bool:
        if signal.run_uid:
            return signal.run_uid not in uids
        missing = (signal.namespace, signal.run) not in names
        return missing and now - signal.created_at > EARLY

    return Plan(
        actions=tuple(
            DeleteSignal(
                namespace=each.namespace,
                name=each.name,
                uid=each.uid,
                is_lost=each.state == SignalState.PENDING,
            )
            for each in signals
            if is_orphan(each)
        )
    )


def _open(case: RunCase) -> Iterator[SignalView]:
    for each, status in _verdicts(case):
        told = _told(each, case=case)
        if status.state == SignalState.PENDING and told is None:
            yield each


def _told(signal: SignalView, *, case: RunCase) -> SettledSignal | None:
    """Return what the run says of a signal: also by an attempt that is fenced by now, whose journal
    was this run's journal."""
    report = case.status.execution
    settled = report.signals if report is not None else ()
    return next((each for each in settled if each.name == signal.name), None)


def _verdicts(case: RunCase) -> Iterator[tuple[SignalView, SignalStatus]]:
    for each in sorted(case.observed.signals, key=lambda each: (each.created_at, each.name)):
        if each.forwarded_to not in ("", case.name):
            continue  # it is another run's by now
        yield each, _verdict(each, case=case)


def _verdict(signal: SignalView, *, case: RunCase) -> SignalStatus:
    uid = case.run.metadata.uid
    if signal.run_uid not in ("", uid):
        return _rejected("It was sent to an earlier run of this name.", uid=signal.run_uid)
    told = _told(signal, case=case)
    if told is not None and told.state != "Received":
        return SignalStatus(
            state=SignalState(told.state),
            message=told.message,
            answer=told.answer,
            forwarded_to=signal.forwarded_to or None,
            flow_run_uid=uid,
        )
    if signal.payload_bytes > LARGEST_PAYLOAD:
        return _rejected(
            f"Its payload has {signal.payload_bytes} bytes; at most {LARGEST_PAYLOAD} are taken."
            " Store it elsewhere, and send where.",
            uid=uid,
        )
    if case.status.state is not None and case.status.state.is_terminal:
        next_run = heir(case) if told is None else None
        if next_run is not None:
            return _forwarded(next_run)
        missed = "waiting for it" if told is None else "answering it"
        words = f"The run ended as {case.status.state} without {missed}."
        return _rejected(words, uid=uid)
    return SignalStatus(
        state=SignalState.PENDING, forwarded_to=signal.forwarded_to or None, flow_run_uid=uid
    )


def plan_forwarding(signals: tuple[SignalView, ...], *, head: RunView) -> Plan:
    """Plan to hand on the signals to a run that is gone, and goes on as another."""
    return Plan(
        actions=tuple(PatchSignalStatus(_target(each), _forwarded(head)) for each in signals)
    )


def _forwarded(run: RunView) -> SignalStatus:
    return SignalStatus(state=SignalState.PENDING, forwarded_to=run.name, flow_run_uid=run.uid)


def _rejected(words: str, *, uid: str) -> SignalStatus:
    return SignalStatus(state=SignalState.REJECTED, message=shorten(words), flow_run_uid=uid)


def _status_of(signal: SignalView) -> SignalStatus:
    return SignalStatus(
        state=signal.state,
        message=signal.message or None,
        forwarded_to=signal.forwarded_to or None,
        flow_run_uid=signal.run_uid or None,
    )


def _target(signal: SignalView) -> Target:
    return Target(
        namespace=signal.namespace,
        name=signal.name,
        uid=signal.uid,
        resource_version=signal.resource_version,
    )
