"""Whether a Flow or a WorkPool can be used, as conditions that tools read."""

from datetime import datetime

from penstock_operator.model.meta import Condition
from penstock_operator.model.states import ConditionStatus, ConditionType, ReadyReason
from penstock_operator.reconcile.code import Fault
from penstock_operator.reconcile.status import second
from penstock_operator.reconcile.text import shorten


def usable(sentence: str, *, suspended: bool) -> tuple[ReadyReason, str]:
    """Say that an object can be used; one that is suspended on purpose is in order too."""
    if suspended:
        return ReadyReason.SUSPENDED, "It is suspended: new runs wait until spec.suspend is false."
    return ReadyReason.READY, sentence


def readiness(
    verdict: Fault | tuple[ReadyReason, str],
    *,
    old: tuple[Condition, ...],
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """Write the two conditions; a status that stays keeps the time of its last change."""
    faulty = isinstance(verdict, Fault)
    reason, message = (verdict.reason, verdict.sentence) if isinstance(verdict, Fault) else verdict
    since = {(each.type, each.status): each.last_transition_time for each in old}
    yes, no = ConditionStatus.TRUE, ConditionStatus.FALSE
    answers = (
        (ConditionType.READY, no if faulty else yes),
        (ConditionType.STALLED, yes if faulty else no),
    )
    return tuple(
        Condition(
            type=kind,
            status=status,
            observed_generation=generation,
            last_transition_time=since.get((kind, status), second(now)),
            reason=reason,
            message=shorten(message),
        )
        for kind, status in answers
    )
