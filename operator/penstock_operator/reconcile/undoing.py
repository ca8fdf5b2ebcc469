"""One last launch for roll-backs: of a run that ends without a process which could call them.

The end is written down with the fence of that launch, so that there is no second one, and the run
comes to that end whatever becomes of it.
"""

from datetime import datetime, timedelta

from penstock_operator.model.execution import Outcome
from penstock_operator.model.flowrun import Ending
from penstock_operator.model.states import Reason, State
from penstock_operator.reconcile.actions import Plan
from penstock_operator.reconcile.admission import Ready, placed_beyond_limits
from penstock_operator.reconcile.case import NeedError, RunCase, after
from penstock_operator.reconcile.ending import end, end_by_outcome, is_overdue, told_by
from penstock_operator.reconcile.fencing import create_job, fenced, lost_snapshot
from penstock_operator.reconcile.observed import Look
from penstock_operator.reconcile.status import Standing, second
from penstock_operator.reconcile.text import shorten
from penstock_operator.reconcile.views import JobView

PATIENCE = timedelta(minutes=5)
"""How long the launch may take in all, its pod's start included; the runner keeps to its grace."""


def end_after_rollbacks(
    case: RunCase, *, state: State, reason: Reason, message: str, crashes: int
) -> Plan:
    """End the run; if it owes roll-backs that nobody has called, launch it once more for them."""
    ready = _ready(case) if _owes_rollbacks(case) else None
    if ready is None:
        return end(case, state=state, reason=reason, message=message, crashes=crashes)
    until = second(case.now + PATIENCE)
    ending = Ending(state=state, reason=reason, message=shorten(message), until=until)
    attempt = case.status.attempt + 1
    words = f"{message} Attempt {attempt} is started once more, to roll back what the run did."
    standing = Standing(State.CANCELLING, Reason.ROLLING_BACK, words)
    status = fenced(case, standing, ending=ending, crashes=crashes)
    return after(
        PATIENCE,
        *case.patch(status),
        *lost_snapshot(case, ready.code),
        create_job(case, ready, attempt=attempt),
        *case.deletions(case.jobs),
    )


def end_as_told(case: RunCase, outcome: Outcome) -> Plan:
    """End the run as its runner tells; but one that was cancelled in a launch which had not come
    to its transactions yet still owes the roll-backs of those before."""
    if State(outcome.state) == State.CANCELLED and _owes_rollbacks(case):
        told, crashes = told_by(outcome, case), case.status.crashes
        return end_after_rollbacks(
            case, state=told.state, reason=told.reason, message=told.message, crashes=crashes
        )
    return end_by_outcome(case, outcome)


def _owes_rollbacks(case: RunCase) -> bool:
    """Tell it by the last report, of whatever attempt: a launch that has not come to its
    transactions passes on what the one before has told."""
    report = case.status.execution
    return report is not None and report.journal is not None and bool(report.journal.rollbacks_owed)


def _ready(case: RunCase) -> Ready | None:
    code = case.pinned_code()
    # It has given its slot back if it waited, and nobody is to wait for it to be undone.
    ready = placed_beyond_limits(case, code) if code is not None else None
    return ready if isinstance(ready, Ready) else None


def follow_last_launch(case: RunCase, ending: Ending) -> Plan:
    """Bring the run to its end once the launch has ended, or has had its time."""
    if case.outcome is not None:
        return _end_by(case, ending, case.outcome)
    job = case.job
    if job is None and not case.observed.jobs_are_live:
        raise NeedError(Look.JOBS)
    is_under_way = job is not None and not job.is_finished and not is_overdue(job, now=case.now)
    if job is not None and is_under_way and job.suspended:
        return Plan()  # it has not had its time yet; letting it go shows in the watch
    until = _last_moment(ending, job)
    if case.now >= until or case.suspension is not None or case.observed.refusal is not None:
        return _end_without(case, ending)
    if is_under_way:
        return after(until - case.now)
    if job is None and case.report is None:
        return _create(case, ending)
    return _end_without(case, ending)


def _last_moment(ending: Ending, job: JobView | None) -> datetime:
    """Return until when the launch is waited for: a queue may have let it start late."""
    if job is None or job.started_at is None:
        return ending.until
    return max(ending.until, job.started_at + PATIENCE)


def _create(case: RunCase, ending: Ending) -> Plan:
    """Create the Job that the fence was written for; an operator may have died in between."""
    ready = _ready(case)
    if ready is None:
        return _end_without(case, ending)
    job = create_job(case, ready, attempt=case.status.attempt)
    return after(ending.until - case.now, *lost_snapshot(case, ready.code), job)


def _end_by(case: RunCase, ending: Ending, outcome: Outcome) -> Plan:
    if outcome.state != "Cancelled":
        return end_by_outcome(case, outcome)  # the flow had ended, and nobody had heard of it
    words = f"{ending.message} A last launch has rolled back what the run did."
    return end(
        case,
        state=ending.state,
        reason=ending.reason,
        message=words,
        finished_at=min(outcome.finished_at, case.now),
        ending=None,
    )


def _end_without(case: RunCase, ending: Ending) -> Plan:
    words = (
        f"{ending.message} A last launch, to roll back what the run did, has not come to its end:"
        " look into its log, and undo by hand what is left."
    )
    return end(case, state=ending.state, reason=ending.reason, message=words, ending=None)
