"""Waiting without a pod: what the run waits for, what wakes it, and how it is made to wait.

A runner that has nothing to do but wait says so in its last report and leaves. The operator keeps
the date. Nothing is undone and no budget is used: the next attempt goes on from the journal.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from penstock_operator.model.execution import Suspension
from penstock_operator.model.flowrun import WaitingFor
from penstock_operator.model.states import Reason, State, WaitKind
from penstock_operator.reconcile.actions import Plan, Propagation
from penstock_operator.reconcile.case import NeedError, RunCase, after
from penstock_operator.reconcile.ending import PATIENCE, is_overdue, last_moment, linger
from penstock_operator.reconcile.launching import launching, on_request, wake, with_pool
from penstock_operator.reconcile.observed import Look
from penstock_operator.reconcile.pauses import attempt_began
from penstock_operator.reconcile.relatives import ended_run
from penstock_operator.reconcile.sharing import slot_due, slot_that_came, slots_given_back
from penstock_operator.reconcile.signals import awaited_signal
from penstock_operator.reconcile.status import Standing, next_second, second, status_with
from penstock_operator.reconcile.text import date
from penstock_operator.reconcile.views import JobView

SKEW_PAUSE = timedelta(seconds=30)
"""How far apart attempts start that say they are due already: the runner's clock is behind ours,
and it comes back with the same date until both agree."""

_REASONS = {
    "Sleep": Reason.SLEEPING,
    "Signal": Reason.WAITING_FOR_SIGNAL,
    "RetryDelay": Reason.WAITING_FOR_RETRY,
    "Run": Reason.WAITING_FOR_RUN,
    "Suspend": Reason.SUSPEND_REQUESTED,
    "ConcurrencyLimit": Reason.WAITING_FOR_SLOT,
}
_WITHOUT_END = ("Signal", "Run", "Person", "ConcurrencyLimit")
"""What somebody else has to end."""
_PROBLEMS = {
    str(each): each
    for each in (Reason.RESULT_UNREADABLE, Reason.NON_DETERMINISM, Reason.STORE_UNUSABLE)
}
"""What a runner may want a person to mend; a word it should not know counts as the first."""


def wait_without_pod(case: RunCase, suspension: Suspension) -> Plan:
    """Keep a run waiting that has left its pod, or launch it again."""
    if suspension.kind == "Suspend":
        return wake(case, cause="Resumed", words="The run is no longer suspended.")
    if suspension.kind == "Person" and _is_let_go_on(case):
        return wake(case, cause="Resumed", words="Somebody let the run go on.")
    signal = awaited_signal(case)
    if signal is not None:
        words = f"The signal {signal.signal} has come (Signal {signal.name})."
        return wake(case, cause="Signal", words=words)
    ended = ended_run(case, suspension)
    if ended is not None:
        return wake(case, cause="Run", words=f"The run {ended} has ended.")
    slot = slot_that_came(case, waits_for_it=suspension.kind == "ConcurrencyLimit")
    if slot is not None:
        return wake(case, cause="Slot", words=slot)
    due = _due(case, suspension)
    if due is not None and case.now >= due:
        return wake(case, cause="Due", words=f"The run waited until {date(due)}.")
    standing = _standing(case, suspension, due=due)
    return _rest(case, standing, due=_sooner(due, slot_due(case)))


def suspension_asked(case: RunCase) -> Standing | None:
    """Say why the run is to have no pod: somebody suspended it, or its pool; None if nobody did."""
    return on_request(case) if case.run.spec.suspend else with_pool(case)


def suspend(case: RunCase, standing: Standing) -> Plan:
    """Let the run leave its pod because it is asked to. The runner learns why by reading its run
    when its pod is ended, and leaves a report of kind Suspend."""
    waited_for = _unfinished(case)
    if case.suspension is None and waited_for:
        return _end_pods(case, waited_for)
    if case.suspension is None and case.job is None and case.status.state != State.SUSPENDED:
        _look_for_jobs(case)
    return _rest(case, standing, due=None)


def resume(case: RunCase) -> Plan | None:
    """Launch a run again whose spec.suspend is false again, and that has left without saying so; or
    None if it is still running."""
    job = case.job
    if job is not None and not job.is_finished and not is_overdue(job, now=case.now):
        if job.deletion_requested_at is not None:
            return _await_leaving(case, job)
        if case.report is not None:
            return None
        return Plan(actions=case.patch(status_with(launching(case), run=case.run, now=case.now)))
    if job is None and case.status.state != State.SUSPENDED:
        _look_for_jobs(case)
    return wake(case, cause="Resumed", words="The run is no longer suspended.")


def _await_leaving(case: RunCase, job: JobView) -> Plan:
    """Say that a run which is resumed goes on as soon as the pod is gone that was told to leave."""
    words = (
        f"The run goes on by itself when its pod of attempt {case.status.attempt} has left, which"
        " was told to before the run was resumed."
    )
    standing = _leaving(case, words)
    status = status_with(standing, run=case.run, now=case.now, started_at=case.started_at)
    return after(last_moment(job) - case.now, *case.patch(status))


def _leaving(case: RunCase, words: str) -> Standing:
    state = State.RUNNING if case.report is not None else State.PENDING
    return Standing(state, Reason.SUSPEND_REQUESTED, words)


def _unfinished(case: RunCase) -> tuple[JobView, ...]:
    """Return the Jobs that are worth waiting for."""
    return tuple(
        each for each in case.jobs if not each.is_finished and not is_overdue(each, now=case.now)
    )


def _end_pods(case: RunCase, jobs: tuple[JobView, ...]) -> Plan:
    words = (
        "The run is being suspended; its pod has its grace period to finish what it is doing."
        " Set spec.suspend, its own or its WorkPool's, to false to let the run go on."
    )
    standing = _leaving(case, words)
    status = status_with(standing, run=case.run, now=case.now, started_at=case.started_at)
    due = [last_moment(each) for each in jobs if each.deletion_requested_at is not None]
    wait = min(due) - case.now if due else PATIENCE
    deletions = case.deletions(jobs, propagation=Propagation.FOREGROUND)
    return after(wait, *case.patch(status), *deletions)


def _look_for_jobs(case: RunCase) -> None:
    """A Job that is only missing in the cache must not go on unseen."""
    if not case.observed.jobs_are_live:
        raise NeedError(Look.JOBS)


def _rest(case: RunCase, standing: Standing, *, due: datetime | None) -> Plan:
    """Write down that the run waits, come back when it is due, and end pods that do not leave."""
    status = status_with(standing, run=case.run, now=case.now, started_at=case.started_at)
    actions = (*case.patch(status), *slots_given_back(case))
    times = [due] if due is not None else []
    live = tuple(each for each in _unfinished(case) if each.deletion_requested_at is None)
    if live:
        assert standing.waiting_for is not None
        lingers_until = standing.waiting_for.since + linger(live)
        if case.now >= lingers_until:
            actions = (*actions, *case.deletions(live))
        else:
            times.append(lingers_until)
    if not times:
        return Plan(actions=actions)
    return replace(after(min(times) - case.now, *actions), punctual=True)


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _is_let_go_on(case: RunCase) -> bool:
    word = case.run.spec.resume
    return word is not None and word.attempt >= case.status.attempt


def _due(case: RunCase, suspension: Suspension) -> datetime | None:
    """Return when the run is to be launched again: later than it says if it says so too often."""
    if suspension.until is None:
        # A sleep without an end was refused by the API server.
        return None if suspension.kind in _WITHOUT_END else case.now
    until = next_second(suspension.until)
    wait = _known_wait(case, suspension)
    if wait is not None:
        return max(until, wait.until or until)
    if until > case.now:
        return until
    return max(until, next_second(attempt_began(case) + SKEW_PAUSE))


def _known_wait(case: RunCase, suspension: Suspension) -> WaitingFor | None:
    """Return what the status says of this very wait, if it was written down before."""
    wait = case.status.waiting_for
    same = wait is not None and wait.kind == suspension.kind
    return wait if case.status.state == State.SUSPENDED and same else None


def _standing(case: RunCase, suspension: Suspension, *, due: datetime | None) -> Standing:
    known = _known_wait(case, suspension)
    wait = WaitingFor(
        kind=WaitKind(suspension.kind),
        name=suspension.name,
        since=known.since if known is not None else second(min(suspension.since, case.now)),
        until=due,
        payload_schema=suspension.payload_schema,
    )
    if suspension.kind == "Person":
        return Standing(State.SUSPENDED, _problem(suspension), _mend(case, suspension), wait)
    words = suspension.message or _words(suspension, run=case.name)
    return Standing(State.SUSPENDED, _REASONS[suspension.kind], words, wait)


def _problem(suspension: Suspension) -> Reason:
    return _PROBLEMS.get(suspension.reason or "", Reason.RESULT_UNREADABLE)


def _mend(case: RunCase, suspension: Suspension) -> str:
    said = suspension.message or f"Somebody has to look after {suspension.name or 'the run'}."
    go_on = f"kubectl penstock resume {case.name}"
    if _problem(suspension) == Reason.NON_DETERMINISM:
        return f"{said} Then let the run go on: {go_on}, or, as the flow is now: {go_on} --accept."
    return f"{said} Then let the run go on: {go_on}."


def _words(suspension: Suspension, *, run: str) -> str:
    until = f" until {date(suspension.until)}" if suspension.until is not None else ""
    name = f" {suspension.name}" if suspension.name else ""
    match suspension.kind:
        case "Signal":
            words = f"The run waits for the signal{name}{until}, without a pod."
            if (suspension.payload_schema or {}).get("title") == "Approval":
                return f"{words} Answer it: kubectl penstock approve {run}, or reject {run}."
            return f"{words} Send it: kubectl penstock signal {run}{name}."
        case "Run":
            return f"The run waits for the end of the run{name}{until}, without a pod."
        case "ConcurrencyLimit":
            return f"The run waits for a slot of the ConcurrencyLimit{name}{until}, without a pod."
        case "RetryDelay":
            return f"The run waits{until} to retry{name or ' a task'}, without a pod."
        case _:
            return f"The run sleeps{until}, without a pod."
