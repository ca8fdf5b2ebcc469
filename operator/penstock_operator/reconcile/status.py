"""A run's status as a whole: state, reason, message and the conditions that follow from them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock_operator.model.flowrun import FlowRun, FlowRunStatus, WaitingFor
from penstock_operator.model.meta import Condition
from penstock_operator.model.states import ConditionStatus, ConditionType, Reason, State, WaitKind
from penstock_operator.reconcile.text import duration, shorten

LONGEST_NAME = 512
"""What the schema lets waitingFor.name hold."""

_MENDED_BY_A_PERSON = frozenset(
    {
        Reason.FLOW_NOT_FOUND,
        Reason.FLOW_STALLED,
        Reason.WORK_POOL_NOT_FOUND,
        Reason.WORK_POOL_STALLED,
        Reason.CONCURRENCY_LIMIT_NOT_FOUND,
        Reason.IMAGE_UNAVAILABLE,
        Reason.UNSCHEDULABLE,
        Reason.QUOTA_EXCEEDED,
        Reason.POD_REFUSED,
        Reason.POD_NOT_STARTING,
        Reason.RESULT_UNREADABLE,
        Reason.NON_DETERMINISM,
        Reason.STORE_UNUSABLE,
    }
)
"""A run that waits for one of these is Stalled: it does not go on by itself."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands, for programs and for people."""

    state: State
    reason: Reason
    message: str
    waiting_for: WaitingFor | None = None


def status_with(
    standing: Standing, *, run: FlowRun, now: datetime, **changes: object
) -> FlowRunStatus:
    """Return the run's status, without what the runner owns, standing where it is said to stand."""
    moment = second(now)
    message = shorten(standing.message)
    return run.status.model_copy(
        update={
            "queued_at": run.status.queued_at or run.metadata.creation_timestamp or moment,
            **changes,
            "observed_generation": run.metadata.generation,
            "state": standing.state,
            "reason": standing.reason,
            "message": message,
            "waiting_for": standing.waiting_for,
            "conditions": _conditions(standing, message=message, run=run, now=moment),
            "execution": None,
        }
    )


def ended_with(
    standing: Standing, *, run: FlowRun, now: datetime, finished_at: datetime, **changes: object
) -> FlowRunStatus:
    """Return the run's status at its end."""
    status = status_with(standing, run=run, now=now, **changes)
    started = status.started_at
    finished = max(second(finished_at), started) if started else second(finished_at)
    length = duration(finished - started) if started else None
    return status.model_copy(update={"finished_at": finished, "duration": length})


def is_news(status: FlowRunStatus, *, run: FlowRun) -> bool:
    """Tell whether a status says more than the run's present one.

    While a run waits for the same thing, others' words about it may change with each look (the
    numbers of free nodes, of a quota); that alone is not worth a write.
    """
    old = run.status.model_copy(update={"execution": None})
    if _moved_up_little(old, status):
        return False
    if status.state == State.PENDING and _same_wait(old, status):
        words = {"message": status.message, "conditions": status.conditions}
        old = old.model_copy(update=words)
    return old != status


def _moved_up_little(old: FlowRunStatus, new: FlowRunStatus) -> bool:
    """Tell whether a run has come forward in its line, but not by half of it: who waits behind ten
    thousand others is told so a dozen times, not ten thousand."""
    if not (old.reason == new.reason == Reason.WAITING_FOR_SLOT):
        return False
    was, now = old.waiting_for, new.waiting_for
    if was is None or now is None or old.observed_generation != new.observed_generation:
        return False
    return (was.kind, was.name) == (now.kind, now.name) and _is_little(was.ahead, now.ahead)


def _is_little(before: int | None, now: int | None) -> bool:
    if before is None or now is None:
        return False
    return before // 2 < now <= before or before == now


def _same_wait(old: FlowRunStatus, new: FlowRunStatus) -> bool:
    return old.waiting_for is not None and old.waiting_for == new.waiting_for


def _conditions(
    standing: Standing, *, message: str, run: FlowRun, now: datetime
) -> tuple[Condition, ...]:
    terminal = standing.state.is_terminal
    completed = standing.state == State.COMPLETED
    stalled = (terminal and not completed) or standing.reason in _MENDED_BY_A_PERSON
    succeeded = ConditionStatus.UNKNOWN
    if terminal:
        succeeded = ConditionStatus.TRUE if completed else ConditionStatus.FALSE
    since = {(each.type, each.status): each.last_transition_time for each in run.status.conditions}
    answers = (
        (ConditionType.SUCCEEDED, succeeded),
        # kstatus takes the first of the two that is True, so never both.
        (ConditionType.RECONCILING, _truth(not terminal and not stalled)),
        (ConditionType.STALLED, _truth(stalled)),
    )
    told = tuple(
        Condition(
            type=kind,
            status=status,
            observed_generation=run.metadata.generation,
            last_transition_time=since.get((kind, status), now),
            reason=standing.reason,
            message=message,
        )
        for kind, status in answers
    )
    return (*told, *_durability(run, now=now))


def _durability(run: FlowRun, *, now: datetime) -> tuple[Condition, ...]:
    """Say once, and for as long as the run exists, that a result could not be stored."""
    said = tuple(each for each in run.status.conditions if each.type == ConditionType.DURABLE)
    report = run.status.execution
    journal = report.journal if report is not None else None
    if said or journal is None or not journal.unstored:
        return said
    words = (
        f"A result of the task {journal.unstored_task or '?'} could not be stored, so the task runs"
        " again if the run is launched again. The run's log says why; return less, or give the flow"
        " a result_storage or its pool a store."
    )
    return (
        Condition(
            type=ConditionType.DURABLE,
            status=ConditionStatus.FALSE,
            observed_generation=run.metadata.generation,
            last_transition_time=now,
            reason="ResultsNotStored",
            message=words,
        ),
    )


def _truth(holds: bool) -> ConditionStatus:
    return ConditionStatus.TRUE if holds else ConditionStatus.FALSE


def second(when: datetime) -> datetime:
    """Cut a time to the second, as Kubernetes writes times, so that it reads back equal."""
    return when.replace(microsecond=0)


def next_second(when: datetime) -> datetime:
    """Round a time up to the second: what is waited for must not come early."""
    return second(when) + timedelta(seconds=1) if when.microsecond else when


def waiting(
    run: FlowRun,
    *,
    reason: Reason,
    kind: WaitKind,
    name: str | None,
    now: datetime,
    deadline: timedelta | None = None,
) -> WaitingFor:
    """Say what the run waits for; a wait for the same reason keeps its beginning and its end."""
    old = run.status.waiting_for
    shown = shorten(name, limit=LONGEST_NAME) if name is not None else None
    if old is not None and run.status.reason == reason and old.kind == kind:
        return old.model_copy(update={"name": shown})
    since = second(now)
    until = since + deadline if deadline is not None else None
    return WaitingFor(kind=kind, name=shown, since=since, until=until)
