"""The plan of a run: which decision is due, given how it stands."""

from dataclasses import replace
from datetime import datetime, timedelta

from penstock_operator.model.states import Reason, State
from penstock_operator.reconcile.actions import Plan
from penstock_operator.reconcile.cancelling import cancel, superseded
from penstock_operator.reconcile.case import NeedError, RunCase, after
from penstock_operator.reconcile.ending import (
    SUPPORTED_PROTOCOLS,
    clear_away,
    end_by_protocol,
    end_by_timeout,
    is_overdue,
    last_moment,
    timeout,
)
from penstock_operator.reconcile.images import has_changed, next_look, with_image
from penstock_operator.reconcile.kueue import follow_suspended_job
from penstock_operator.reconcile.launching import launch_attempt, recover, start_run
from penstock_operator.reconcile.losses import (
    STUCK,
    Loss,
    loss_of_job,
    loss_of_pod,
    loss_of_stuck_pod,
)
from penstock_operator.reconcile.observed import Look, ObservedRun
from penstock_operator.reconcile.pauses import pause_left
from penstock_operator.reconcile.pending import (
    OFTEN,
    end_by_deadline,
    follow_launch,
    is_past_deadline,
    meet_refusal,
    poll_interval,
)
from penstock_operator.reconcile.relatives import closing, taking_over
from penstock_operator.reconcile.settings import Settings
from penstock_operator.reconcile.signals import settle_signals
from penstock_operator.reconcile.status import Standing, status_with
from penstock_operator.reconcile.suspending import (
    resume,
    suspend,
    suspension_asked,
    wait_without_pod,
)
from penstock_operator.reconcile.telling import tell_of_changed_code, tell_of_changed_image
from penstock_operator.reconcile.undoing import end_as_told, follow_last_launch
from penstock_operator.reconcile.views import JobView


def plan_run(observed: ObservedRun, *, now: datetime, settings: Settings) -> Plan:
    """Plan what brings a run nearer to its one end."""
    case = RunCase(observed, now, settings)
    try:
        plan = _plan(case)
        plan = replace(plan, actions=(*plan.actions, *tell_of_changed_image(case, plan.actions)))
        # Last: nothing that a signal's status meets may stand in the way of the run.
        return replace(plan, actions=(*plan.actions, *settle_signals(case)))
    except NeedError as need:
        return Plan(need=need.looks)


def _plan(case: RunCase) -> Plan:
    if case.run.metadata.deletion_timestamp is not None:
        return Plan()  # its Jobs go with it, by their owner reference
    if case.status.state is not None and case.status.state.is_terminal:
        return clear_away(case)
    if case.status.ending is not None:
        return follow_last_launch(case, case.status.ending)
    if case.outcome is not None:
        return end_as_told(case, case.outcome)
    if case.run.spec.cancel:
        return cancel(case)
    end_of_parent = closing(case)
    if end_of_parent is not None:
        return cancel(case, reason=Reason.PARENT_CLOSED, because=end_of_parent)
    displaced = superseded(case)
    if displaced is not None:
        return displaced
    if case.status.attempt == 0:
        return taking_over(case) or start_run(case)
    return _follow(case)


def _follow(case: RunCase) -> Plan:
    started = case.started_at
    limit = timeout(case) if started is not None else None
    if started is None or limit is None:
        return _follow_attempt(case)
    if case.now >= started + limit:
        return end_by_timeout(case, limit=limit)
    plan = _follow_attempt(case)
    left = started + limit - case.now
    if plan.need:
        return plan
    return replace(plan, requeue_after=min(left, plan.requeue_after or left))


def _follow_attempt(case: RunCase) -> Plan:
    report, job = case.report, case.job
    if report is not None and report.protocol not in SUPPORTED_PROTOCOLS:
        return end_by_protocol(case, protocol=report.protocol)
    asked = suspension_asked(case)
    if asked is not None:
        return suspend(case, asked)
    if case.suspension is not None:
        return wait_without_pod(case, case.suspension)
    if case.status.reason == Reason.SUSPEND_REQUESTED:
        resumed = resume(case)
        if resumed is not None:
            return resumed
    if job is None:
        return _without_job(case)
    if job.is_finished:
        return recover(case, loss_of_job(job, pod=case.reporting_pod()))
    if job.deletion_requested_at is not None:
        return _follow_deletion(case, job)
    if job.terminating > 0:
        return _follow_termination(case, job)
    if job.suspended:
        return follow_suspended_job(case, job)
    if report is not None:
        return _running(case)
    return follow_launch(case, job)


def _without_job(case: RunCase) -> Plan:
    if case.report is None:
        pause = pause_left(case)
        if pause is not None:
            return after(pause, *case.deletions(case.superseded()))
        if is_past_deadline(case):
            return end_by_deadline(case)
        if case.observed.refusal is not None:
            return meet_refusal(case, case.observed.refusal)
        return launch_attempt(case)
    if not case.observed.jobs_are_live:
        raise NeedError(Look.JOBS, Look.PODS)
    pod = case.reporting_pod()
    if pod is None:
        return recover(case, _deleted(case))
    if pod.phase in ("Succeeded", "Failed"):
        return recover(case, loss_of_pod(pod))
    stuck = loss_of_stuck_pod(pod, now=case.now)
    if stuck is not None:
        return recover(case, stuck)
    # A pod may outlive its Job, by its grace period or for good; while it lives, it is the run.
    return after(poll_interval(case.now - pod.created_at))


def _deleted(case: RunCase) -> Loss:
    return Loss("JobDeleted", f"The Job {case.status.job_name} was deleted.")


def _follow_deletion(case: RunCase, job: JobView) -> Plan:
    if is_overdue(job, now=case.now):
        return recover(case, _deleted(case))
    return after(last_moment(job) - case.now)


def _follow_termination(case: RunCase, job: JobView) -> Plan:
    pod = case.reporting_pod()
    if pod is None:
        return after(OFTEN)
    stuck = loss_of_stuck_pod(pod, now=case.now)
    if stuck is not None:
        return recover(case, stuck)
    due = pod.deletion_at + STUCK - case.now if pod.deletion_at is not None else OFTEN
    return after(max(due, timedelta()))


def _running(case: RunCase) -> Plan:
    report = case.report
    assert report is not None
    words = (
        f"The flow is running in the pod {report.pod_name}. Follow its log with kubectl logs -f"
        f" {report.pod_name} -c flow."
    )
    told = tell_of_changed_code(case)
    if told:
        words += " Its code has changed since the attempt before; what had finished is kept."
    look = next_look(case.status, report, now=case.now)
    is_due = look is not None and not look
    known = with_image(case.status, found=case.image_id() if is_due else "")
    if has_changed(known):
        words += " Its image has changed since the run began."
    status = status_with(
        Standing(State.RUNNING, Reason.RUNNING, words),
        run=case.run,
        now=case.now,
        started_at=case.started_at,
        last_image_id=known.last_image_id,
    )
    patch = case.patch(status)
    actions = (*patch, *case.deletions(case.superseded()), *(told if patch else ()))
    return Plan(actions=actions, requeue_after=look or (OFTEN if is_due else None))
