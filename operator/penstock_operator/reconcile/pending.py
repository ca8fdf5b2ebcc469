"""Follow a launch until the runner reports: look at the pod, say what is in its way, and for how
long that is waited out."""

from datetime import timedelta

from penstock_operator.model.states import Reason, State, WaitKind
from penstock_operator.reconcile.actions import Action, CreateSnapshot, Plan
from penstock_operator.reconcile.case import NeedError, RunCase, after
from penstock_operator.reconcile.code import snapshot_manifest
from penstock_operator.reconcile.ending import end
from penstock_operator.reconcile.launching import launching
from penstock_operator.reconcile.names import snapshot_name
from penstock_operator.reconcile.observed import Look, NotLooked, Refusal
from penstock_operator.reconcile.status import Standing, status_with, waiting
from penstock_operator.reconcile.text import clock, duration, quote
from penstock_operator.reconcile.views import JobView
from penstock_operator.reconcile.waits import (
    Trouble,
    deadline_of,
    is_over,
    launch_trouble,
    refusal_trouble,
)

FIRST_LOOK = timedelta(seconds=2)
"""A pod that starts without trouble is not looked at."""

_LAUNCH_TROUBLES = (WaitKind.IMAGE, WaitKind.NODE, WaitKind.QUOTA, WaitKind.POD)

OFTEN, SELDOM = timedelta(seconds=2), timedelta(seconds=10)
OFTEN_UNTIL = timedelta(minutes=1)


def poll_interval(age: timedelta) -> timedelta:
    """Return how long to wait for the next look, by the age of what is looked at."""
    return OFTEN if age < OFTEN_UNTIL else SELDOM


def follow_launch(case: RunCase, job: JobView) -> Plan:
    """Watch a Job whose runner has not reported yet."""
    age = case.now - job.launched_at
    if age < FIRST_LOOK:
        return after(FIRST_LOOK - age)
    pods = case.pods(Look.EVENTS)
    if isinstance(case.observed.events, NotLooked):
        raise NeedError(Look.PODS, Look.EVENTS)
    pod = pods[0] if pods else None
    trouble = launch_trouble(job, pod=pod, events=case.observed.events, now=case.now)
    if trouble is not None:
        return meet(case, trouble, again=poll_interval(age))
    wait, reason = case.status.waiting_for, case.status.reason
    if wait is None or reason is None:
        return after(poll_interval(age))
    if is_over(wait, reason=reason, pod=pod, events=case.observed.events):
        status = status_with(launching(case), run=case.run, now=case.now)
        return after(poll_interval(age), *case.patch(status))
    return end_by_deadline(case) if is_past_deadline(case) else after(poll_interval(age))


def meet(case: RunCase, trouble: Trouble, *, again: timedelta) -> Plan:
    """Say what is in the way, and end the run if it has been there too long."""
    wait = waiting(
        case.run,
        reason=trouble.reason,
        kind=trouble.kind,
        name=trouble.name,
        now=case.now,
        deadline=deadline_of(trouble, settings=case.settings),
    )
    cause = trouble.cause[0].upper() + trouble.cause[1:]
    if trouble.is_final:
        words = f"{cause}. Please {trouble.mend}, and create another run."
        return end(case, state=State.FAILED, reason=trouble.reason, message=words)
    if wait.until is not None and case.now >= wait.until:
        words = (
            f"{cause}. It has been so for {duration(wait.until - wait.since)}, which is the limit."
            f" Please {trouble.mend}, and create another run."
        )
        return end(case, state=State.FAILED, reason=trouble.reason, message=words)
    words = f"{cause}. Please {trouble.mend}; the run then starts by itself."
    if wait.until is not None:
        words += f" It fails at {clock(wait.until)} otherwise."
    standing = Standing(State.PENDING, trouble.reason, words, wait)
    patch = case.patch(status_with(standing, run=case.run, now=case.now))
    mended = _missing_snapshot(case, trouble) if patch else ()
    pause = min(again, wait.until - case.now) if wait.until is not None else again
    return after(pause, *mended, *patch)


def meet_refusal(case: RunCase, refusal: Refusal) -> Plan:
    """Take the API server's answer to the creation of the Job."""
    job = str(case.status.job_name)
    if refusal.status in (400, 413, 422):
        words = (
            f"The API server refuses the Job {job}: {quote(refusal.message)}. Mend the Flow or the"
            " WorkPool accordingly, and create another run."
        )
        return end(case, state=State.FAILED, reason=Reason.LAUNCH_REFUSED, message=words)
    return meet(case, refusal_trouble(refusal.message, job=job), again=SELDOM)


def is_past_deadline(case: RunCase) -> bool:
    """Tell whether what the run waits for has had its time."""
    wait = case.status.waiting_for
    if wait is None or wait.until is None or wait.kind not in _LAUNCH_TROUBLES:
        return False
    return case.now >= wait.until


def end_by_deadline(case: RunCase) -> Plan:
    """End a run at its deadline, in the words in which it waited."""
    reason = case.status.reason or Reason.POD_NOT_STARTING
    words = f"{case.status.message or ''} That time has passed; create another run.".lstrip()
    return end(case, state=State.FAILED, reason=reason, message=words)


def _missing_snapshot(case: RunCase, trouble: Trouble) -> tuple[Action, ...]:
    """Put back the flow's snapshot if its absence is the trouble, and its code is still known."""
    flow, version = case.run.spec.flow_ref.name, case.status.code_version or ""
    if f'"{snapshot_name(flow, code_version=version)}" not found' not in trouble.cause:
        return ()
    code = case.pinned_code()
    namespace = case.run.metadata.namespace
    return (CreateSnapshot(snapshot_manifest(code, namespace=namespace)),) if code else ()
