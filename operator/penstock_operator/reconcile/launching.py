"""Start a run, and start it again: the fence first, then the Job.

The status that names the new attempt is written before its Job is created: from that moment the
reports of older attempts are refused. A crash in between leaves an attempt without a Job, which
`launch_attempt` creates; its name makes a second creation an adoption.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import WaitingFor
from penstock_operator.model.states import Reason, State, WaitKind
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile.actions import Action, Plan
from penstock_operator.reconcile.admission import admitted, placed
from penstock_operator.reconcile.cancelling import one_too_many
from penstock_operator.reconcile.case import RunCase, after
from penstock_operator.reconcile.code import Code
from penstock_operator.reconcile.ending import end
from penstock_operator.reconcile.fencing import (
    create_job,
    create_snapshot,
    fenced,
    lost_snapshot,
)
from penstock_operator.reconcile.holds import Hold
from penstock_operator.reconcile.losses import Loss
from penstock_operator.reconcile.names import job_name
from penstock_operator.reconcile.parameters import merged_parameters, parameter_problems
from penstock_operator.reconcile.pauses import next_start
from penstock_operator.reconcile.reruns import LOOK_AGAIN, trouble_of_rerun
from penstock_operator.reconcile.sharing import slots_left
from penstock_operator.reconcile.status import Standing, second, status_with, waiting
from penstock_operator.reconcile.telling import tell_of_changed_flow, tell_of_loss
from penstock_operator.reconcile.text import clock
from penstock_operator.reconcile.undoing import end_after_rollbacks

CRASHES_IN_A_ROW = 3


def start_run(case: RunCase) -> Plan:
    """Launch the first attempt, or say what the run waits for."""
    if case.run.spec.suspend:
        return Plan(actions=case.patch(status_with(on_request(case), run=case.run, now=case.now)))
    trouble = trouble_of_rerun(case)
    if isinstance(trouble, str):
        return end(case, state=State.FAILED, reason=Reason.RERUN_IMPOSSIBLE, message=trouble)
    if isinstance(trouble, Hold):
        return replace(_wait(case, trouble), requeue_after=LOOK_AGAIN)
    ready = admitted(case)
    if isinstance(ready, Hold):
        return one_too_many(case, ready) or _wait(case, ready)
    problems = parameter_problems(
        merged_parameters(ready.code.settings.parameters, run=case.run.spec.parameters),
        schema=ready.code.settings.parameter_schema,
        partial=case.run.spec.rerun_of is not None,  # the others are the run's before
    )
    if problems:
        words = (
            f"The parameters do not fit the flow: {'; '.join(problems)}. Create another run with"
            " parameters that fit."
        )
        return end(case, state=State.FAILED, reason=Reason.INVALID_PARAMETERS, message=words)
    status = status_with(
        Standing(State.PENDING, Reason.LAUNCHING, "The run's pod is being started."),
        run=case.run,
        now=case.now,
        attempt=1,
        job_name=job_name(case.name, attempt=1),
        code_version=ready.code.version,
        image=ready.image,
        work_pool=ready.pool.metadata.name,
        store=ready.pool.spec.store.name if ready.pool.spec.store else None,
    )
    flow = case.observed.flow
    known = isinstance(flow, Flow) and flow.status.code_version == ready.code.version
    snapshot = () if known else (create_snapshot(case, ready.code),)
    launch = (*case.patch(status), create_job(case, ready, attempt=1))
    return Plan(actions=(*ready.before, *snapshot, *launch))


def launch_attempt(case: RunCase) -> Plan:
    """Create the Job of an attempt that is fenced and has none."""
    code = case.pinned_code()
    if code is None:
        return _end_without_code(case)
    ready = placed(case, code, attempt=case.status.attempt)
    if isinstance(ready, Hold):
        return _wait(case, ready)
    admitted_now: tuple[Action, ...] = ()
    if case.status.state == State.SCHEDULED:
        admitted_now = case.patch(status_with(launching(case), run=case.run, now=case.now))
    elif case.status.waiting_for is not None and case.status.reason == Reason.RECOVERING:
        words = case.status.message or ""
        resumed = Standing(State.PENDING, Reason.RECOVERING, words)
        admitted_now = case.patch(status_with(resumed, run=case.run, now=case.now))
    return Plan(
        actions=(
            *ready.before,
            *lost_snapshot(case, code),
            *admitted_now,
            create_job(case, ready, attempt=case.status.attempt),
            *case.deletions(case.superseded()),
        )
    )


def recover(case: RunCase, loss: Loss) -> Plan:
    """Fence the lost attempt and launch the next, as long as the run's budget lasts."""
    code = case.pinned_code()
    crashes, entries = _crashes_in_a_row(case, loss)
    if loss.final is not None:
        return end(case, state=State.FAILED, reason=loss.final, message=loss.sentence)
    if loss.crash is not None and crashes >= CRASHES_IN_A_ROW:
        words = (
            f"{loss.sentence} That was crash {crashes} in a row in which the run came no further,"
            " so it is not launched again."
        )
        return end_after_rollbacks(
            case, state=State.CRASHED, reason=loss.crash, message=words, crashes=crashes
        )
    if code is None:
        return _end_without_code(case)
    budget = code.settings.max_recoveries
    if case.status.recoveries >= budget:
        words = (
            f"{loss.sentence} The run has been launched again {case.status.recoveries} times, as"
            f" often as the flow's maxRecoveries allows. Look into what ends its pods, and create"
            " another run."
        )
        return end_after_rollbacks(
            case,
            state=State.CRASHED,
            reason=Reason.RECOVERIES_EXHAUSTED,
            message=words,
            crashes=crashes,
        )
    return _fence(case, loss, code=code, crashes=crashes, entries=entries)


def _crashes_in_a_row(case: RunCase, loss: Loss) -> tuple[int, int]:
    """Count the crashes since the journal had fewer entries, and the entries that it has now.

    A process that is killed cannot tell of its last entries; the next one does when it begins. So
    progress may be seen one crash late, and a run is launched once more than it need be.
    """
    report = case.status.execution
    told = report.journal.entries if report is not None and report.journal is not None else 0
    if loss.crash is None:
        return case.status.crashes, case.status.journal_entries
    came_further = told > case.status.journal_entries
    return (1 if came_further else case.status.crashes + 1), max(told, case.status.journal_entries)


def wake(case: RunCase, *, cause: str, words: str) -> Plan:
    """Launch the next attempt of a run that waited without a pod. That is no recovery, and a run
    that came as far as waiting does not crash in a row."""
    code = case.pinned_code()
    if code is None:
        return _end_without_code(case)
    attempt = case.status.attempt + 1
    ready = placed(case, code, attempt=attempt)
    words = f"{words} Attempt {attempt} is being started."
    standing = Standing(State.PENDING, Reason.RESUMING, words)
    if isinstance(ready, Hold):
        status = fenced(case, _held(case, ready), crashes=0)
        return Plan(actions=(*slots_left(case, ready), *case.patch(status, woken_by=cause)))
    status = fenced(case, standing, crashes=0)
    fence = (*ready.before, *case.patch(status, woken_by=cause))
    # The Job of the attempt that waited has ended, or ends by itself.
    return Plan(
        actions=(
            *fence,
            *lost_snapshot(case, code),
            create_job(case, ready, attempt=attempt),
            *tell_of_changed_flow(case),
        )
    )


def _fence(case: RunCase, loss: Loss, *, code: Code, crashes: int, entries: int) -> Plan:
    attempt, recoveries = case.status.attempt + 1, case.status.recoveries + 1
    ready = placed(case, code, attempt=attempt)
    due = next_start(case, recovery=recoveries)
    standing = _recovering(case, loss, code=code, due=due)
    event = tell_of_loss(case, standing.message)
    if isinstance(ready, Hold):
        standing = _held(case, ready)
    status = fenced(case, standing, recoveries=recoveries, crashes=crashes, journal_entries=entries)
    slots = slots_left(case, ready) if isinstance(ready, Hold) else ready.before
    fence = (*slots, *case.patch(status, recovered_from=loss.cause))
    if isinstance(ready, Hold):
        return Plan(actions=(*fence, *case.deletions(case.jobs), event))
    if due is not None:
        return after(due - case.now, *fence, *case.deletions(case.jobs), event)
    return Plan(
        actions=(
            *fence,
            *lost_snapshot(case, code),
            create_job(case, ready, attempt=attempt),
            *case.deletions(case.jobs),
            event,
            *tell_of_changed_flow(case),
        )
    )


def _recovering(case: RunCase, loss: Loss, *, code: Code, due: datetime | None) -> Standing:
    attempt, recoveries = case.status.attempt + 1, case.status.recoveries + 1
    starts = "is being started" if due is None else f"starts at {clock(due)}, after a pause"
    words = (
        f"{loss.sentence} Attempt {attempt} {starts}; it is recovery {recoveries} of"
        f" {code.settings.max_recoveries}."
    )
    wait = None
    if due is not None:
        name = job_name(case.name, attempt=attempt)
        wait = WaitingFor(kind=WaitKind.RECOVERY, name=name, since=second(case.now), until=due)
    return Standing(State.PENDING, Reason.RECOVERING, words, wait)


def launching(case: RunCase) -> Standing:
    """Say that the run's pod is being started, and nothing is known to stand in its way."""
    reason = Reason.LAUNCHING
    if case.status.attempt > 1:
        reason = Reason.RECOVERING if case.status.recoveries else Reason.RESUMING
    words = f"The pod of attempt {case.status.attempt} is being started."
    return Standing(State.PENDING, reason, words)


def on_request(case: RunCase) -> Standing:
    """Say that the run has no pod because its spec.suspend is true."""
    wait = waiting(
        case.run,
        reason=Reason.SUSPEND_REQUESTED,
        kind=WaitKind.SUSPEND,
        name=None,
        now=case.now,
    )
    words = "The run is suspended. Set its spec.suspend to false; it then goes on by itself."
    return Standing(State.SUSPENDED, Reason.SUSPEND_REQUESTED, words, wait)


def with_pool(case: RunCase) -> Standing | None:
    """Say that the run has no pod because its WorkPool is suspended with what runs in it."""
    pool = case.observed.pool
    if not isinstance(pool, WorkPool) or pool.spec.suspend != "Running":
        return None
    name, reason = pool.metadata.name, Reason.SUSPEND_REQUESTED
    wait = waiting(case.run, reason=reason, kind=WaitKind.WORK_POOL, name=name, now=case.now)
    words = (
        f"The run is suspended with its WorkPool {name}. Set the pool's spec.suspend to false; the"
        " run then goes on by itself."
    )
    return Standing(State.SUSPENDED, reason, words, wait)


def _wait(case: RunCase, hold: Hold) -> Plan:
    if case.age < hold.grace:
        return after(min(hold.grace - case.age, timedelta(seconds=1)))
    status = status_with(_held(case, hold), run=case.run, now=case.now)
    actions = (*slots_left(case, hold), *case.patch(status))
    return Plan(actions=actions, keeps_slot=hold.keeps_slot)


def _held(case: RunCase, hold: Hold) -> Standing:
    wait = waiting(case.run, reason=hold.reason, kind=hold.kind, name=hold.name, now=case.now)
    wait = wait.model_copy(update={"ahead": hold.ahead})
    return Standing(State.SCHEDULED, hold.reason, hold.sentence, wait)


def _end_without_code(case: RunCase) -> Plan:
    words = (
        f"The version {case.status.code_version} of the flow, with which the run started, is gone:"
        " somebody has deleted or changed its snapshot ConfigMap. Create another run."
    )
    return end(case, state=State.FAILED, reason=Reason.LAUNCH_REFUSED, message=words)
