"""How a run is cancelled: its pods get their grace period, and it has rolled back what it did."""

from penstock_operator.model.states import Reason, State, WaitKind
from penstock_operator.reconcile.actions import Plan, Propagation
from penstock_operator.reconcile.admission import limit_of
from penstock_operator.reconcile.case import NeedError, RunCase, after
from penstock_operator.reconcile.ending import PATIENCE, end, is_overdue, last_moment
from penstock_operator.reconcile.holds import Hold
from penstock_operator.reconcile.observed import Look
from penstock_operator.reconcile.status import Standing, status_with
from penstock_operator.reconcile.undoing import end_after_rollbacks


def superseded(case: RunCase) -> Plan | None:
    """Cancel a run in whose stead newer ones of its flow are to run; None if there are none."""
    # What has begun is brought to its end, whatever becomes of the newer ones.
    has_begun = case.status.reason == Reason.SUPERSEDED
    if not has_begun and not case.observed.is_superseded:
        return None
    flow = case.run.spec.flow_ref.name
    because = f" because its Flow {flow} prefers newer runs (concurrency.strategy: CancelRunning)"
    return cancel(case, reason=Reason.SUPERSEDED, because=because)


def one_too_many(case: RunCase, hold: Hold) -> Plan | None:
    """Cancel a run that its flow's limit holds, where the flow lets no run wait."""
    limit = limit_of(case)
    if hold.kind != WaitKind.FLOW or limit is None or limit.strategy != "CancelNew":
        return None
    if hold.reason != Reason.WAITING_FOR_SLOT:
        return None
    words = (
        f"The run was cancelled before it started, because as many runs of its Flow {hold.name} as"
        f" may be ({limit.limit}) were at work or waiting to start (concurrency.strategy:"
        " CancelNew). Create another run later, raise concurrency.limit, or let runs wait"
        " (Enqueue)."
    )
    return end(case, state=State.CANCELLED, reason=Reason.FLOW_LIMIT_REACHED, message=words)


def cancel(case: RunCase, *, reason: Reason = Reason.CANCEL_REQUESTED, because: str = "") -> Plan:
    """End the run's pods; the run is Cancelled once they are gone, or have had their time.

    `because` is a clause, for a run that nobody has cancelled by itself.
    """
    if case.status.attempt == 0:
        words = f"The run was cancelled before it started{because}."
        return end(case, state=State.CANCELLED, reason=reason, message=words)
    live = tuple(each for each in case.jobs if not each.is_finished)
    waited_for = tuple(each for each in live if not is_overdue(each, now=case.now))
    if not waited_for:
        if case.job is None and not case.observed.jobs_are_live:
            raise NeedError(Look.JOBS)
        words = f"The run was cancelled{because}."
        if live:
            words += (
                f" The pod of the Job {live[0].name} did not end in time, perhaps because its node"
                " cannot be reached; whatever it still reports is refused."
            )
        return end_after_rollbacks(
            case, state=State.CANCELLED, reason=reason, message=words, crashes=case.status.crashes
        )
    words = f"The run is being cancelled{because}; its pod has its grace period to end."
    status = status_with(
        Standing(State.CANCELLING, reason, words),
        run=case.run,
        now=case.now,
        started_at=case.started_at,
    )
    deletions = case.deletions(live, propagation=Propagation.FOREGROUND)
    due = [last_moment(each) for each in live if each.deletion_requested_at is not None]
    wait = min(due) - case.now if due else PATIENCE
    return after(wait, *case.patch(status), *deletions)
