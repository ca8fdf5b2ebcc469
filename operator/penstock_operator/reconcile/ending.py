"""How a run ends: by its outcome, a cancel, its timeout, or a cause that nothing can mend."""

from datetime import datetime, timedelta

from penstock_operator.model.execution import Outcome
from penstock_operator.model.states import Reason, State
from penstock_operator.reconcile.actions import Plan
from penstock_operator.reconcile.case import RunCase, after
from penstock_operator.reconcile.status import Standing, ended_with
from penstock_operator.reconcile.text import duration
from penstock_operator.reconcile.views import JobView

SUPPORTED_PROTOCOLS = frozenset({1})
"""Versions of the runner's report that this operator understands."""

PATIENCE = timedelta(seconds=15)
"""How long after its grace period a Job that is being deleted is waited for."""

LINGER = timedelta(seconds=60)
"""How long the pod of a run that has ended, or waits without one, may go on, for the sake of its
sidecars and its logs."""

_REASONS = {
    State.COMPLETED: (Reason.COMPLETED, Reason.CONTINUED_AS_NEW),
    State.FAILED: (
        Reason.FLOW_FAILED,
        Reason.INVALID_PARAMETERS,
        Reason.ENTRYPOINT_NOT_LOADED,
        Reason.RERUN_IMPOSSIBLE,
        Reason.TIMED_OUT,
    ),
    State.CRASHED: (Reason.USER_EXIT, Reason.JOURNAL_UNUSABLE),
    State.CANCELLED: (Reason.CANCEL_REQUESTED, Reason.PARENT_CLOSED),
}
"""What a runner may say; a word it should not know counts as the first of its state."""

_WHY_CANCELLED = {
    Reason.PARENT_CLOSED: "its parent has ended",
    Reason.SUPERSEDED: "its Flow prefers newer runs (concurrency.strategy: CancelRunning)",
}

_WORDS = {
    State.COMPLETED: "The flow has completed.",
    State.FAILED: "The flow has failed. Its log tells more: kubectl logs job/{job} -c flow.",
    State.CRASHED: "The flow ended its own process. Let it return or raise instead.",
    State.CANCELLED: "The run was cancelled.",
}


def end(
    case: RunCase,
    *,
    state: State,
    reason: Reason,
    message: str,
    finished_at: datetime | None = None,
    **changes: object,
) -> Plan:
    """Bring the run to its one end. Its Jobs go first: afterwards nobody watches the run."""
    finished = finished_at if finished_at is not None else case.now
    status = ended_with(
        Standing(state, reason, message),
        run=case.run,
        now=case.now,
        finished_at=finished,
        started_at=case.started_at,
        **changes,
    )
    stopped = () if finished_at is not None else case.deletions(case.jobs)
    return Plan(actions=(*stopped, *case.patch(status)))


def end_by_outcome(case: RunCase, outcome: Outcome) -> Plan:
    """Take over what the runner reported at its end; its pod leaves by itself."""
    told = told_by(outcome, case)
    heir = outcome.continued_as if told.reason == Reason.CONTINUED_AS_NEW else None
    return end(
        case,
        state=told.state,
        reason=told.reason,
        message=told.message,
        finished_at=min(outcome.finished_at, case.now),
        continued_as=heir,
    )


def told_by(outcome: Outcome, case: RunCase) -> Standing:
    """Return how the run has ended, by its runner's report."""
    state = State(outcome.state)
    known = {str(each): each for each in _REASONS[state]}
    reason = known.get(outcome.reason, _REASONS[state][0])
    words = outcome.message or _WORDS[state].format(job=case.status.job_name)
    if state == State.CANCELLED and case.status.reason in _WHY_CANCELLED:
        # Its runner knows only that it is cancelled.
        reason = case.status.reason
        words = f"{words.removesuffix('.')}, as {_WHY_CANCELLED[reason]}."
    return Standing(state, reason, words)


def last_moment(job: JobView) -> datetime:
    """Return until when a Job that is being deleted is waited for."""
    assert job.deletion_requested_at is not None
    return job.deletion_requested_at + timedelta(seconds=job.grace_seconds) + PATIENCE


def is_overdue(job: JobView, *, now: datetime) -> bool:
    """Tell whether a Job that is being deleted has had its time: its node is probably lost."""
    return job.deletion_requested_at is not None and now >= last_moment(job)


def timeout(case: RunCase) -> timedelta | None:
    """Return how long the run may take from its first start; the run's own limit comes first."""
    seconds = case.run.spec.timeout_seconds
    if seconds is None:
        code = case.pinned_code()
        seconds = code.settings.timeout_seconds if code is not None else None
    return timedelta(seconds=seconds) if seconds is not None else None


def end_by_timeout(case: RunCase, *, limit: timedelta) -> Plan:
    """End a run that has had its time."""
    words = (
        f"The run did not finish within its timeout of {duration(limit)}. Raise timeoutSeconds, or"
        " look into its log for what took so long, and create another run."
    )
    return end(case, state=State.FAILED, reason=Reason.TIMED_OUT, message=words)


def end_by_protocol(case: RunCase, *, protocol: int) -> Plan:
    """End a run whose runner speaks a language that this operator does not know."""
    known = ", ".join(map(str, sorted(SUPPORTED_PROTOCOLS)))
    words = (
        f"The runner in the image {case.status.image} reports in version {protocol} of the"
        f" protocol, and this operator understands {known}. Rebuild the image on the penstock"
        " package of the operator's version, and create another run."
    )
    return end(case, state=State.CRASHED, reason=Reason.PROTOCOL_UNSUPPORTED, message=words)


def clear_away(case: RunCase) -> Plan:
    """End what pods of a finished run are left; nothing is ever written to it again (G4)."""
    live = tuple(each for each in case.jobs if not each.is_finished)
    if not live:
        return Plan()
    lingers_until = (case.status.finished_at or case.now) + linger(live)
    if case.now < lingers_until:
        return after(lingers_until - case.now)
    return Plan(actions=case.deletions(live))


def linger(jobs: tuple[JobView, ...]) -> timedelta:
    """Return how long Jobs may go on of which nothing more is expected."""
    return LINGER + timedelta(seconds=max(each.grace_seconds for each in jobs))
