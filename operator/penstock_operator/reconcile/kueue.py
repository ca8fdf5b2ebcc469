"""Jobs that Kueue admits: it lets them start, and takes them back, by their spec.suspend.

A Job that is to go through a queue is created suspended; from then on the field is Kueue's alone.
What the labels say is Kueue's matter too: they are handed on as they are.
"""

from penstock_operator.model.states import Reason, State, WaitKind
from penstock_operator.reconcile.actions import Plan
from penstock_operator.reconcile.case import RunCase, after
from penstock_operator.reconcile.launching import recover
from penstock_operator.reconcile.losses import loss_of_suspended_job
from penstock_operator.reconcile.names import KUEUE
from penstock_operator.reconcile.pending import FIRST_LOOK, OFTEN
from penstock_operator.reconcile.status import Standing, status_with, waiting
from penstock_operator.reconcile.views import JobView


def follow_suspended_job(case: RunCase, job: JobView) -> Plan:
    """Wait for the Job to be let go; a run whose pod was taken away by this goes on in the next
    one. Nothing is looked up: letting the Job go shows in the watch."""
    if case.report is not None:
        if job.active:
            return after(OFTEN)  # the job controller has not ended its pod yet
        return recover(case, loss_of_suspended_job(job))
    age = case.now - job.created_at
    if age < FIRST_LOOK:
        return after(FIRST_LOOK - age)
    return Plan(actions=case.patch(status_with(_standing(case, job), run=case.run, now=case.now)))


def _standing(case: RunCase, job: JobView) -> Standing:
    wait = waiting(
        case.run,
        reason=Reason.WAITING_FOR_ADMISSION,
        kind=WaitKind.ADMISSION,
        name=job.queue or job.name,
        now=case.now,
    )
    words = (
        f"The Job {job.name} waits for admission by Kueue, in the LocalQueue {job.queue}; kubectl"
        f" describe workloads -l {KUEUE}job-uid={job.uid} tells what it waits for."
        if job.queue
        else f"The Job {job.name} is suspended by other hands. Set its spec.suspend to false or, if"
        " it is Kueue that holds it, label the WorkPool with a kueue.x-k8s.io/queue-name and create"
        " another run."
    )
    if case.status.attempt > 1:
        words += " Once admitted, the run goes on from what it had finished."
    return Standing(State.PENDING, Reason.WAITING_FOR_ADMISSION, words, wait)
