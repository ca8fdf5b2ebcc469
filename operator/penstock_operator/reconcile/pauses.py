"""The pause between the attempts of a run that is lost again and again.

A pod that every kubelet rejects, or that is evicted as soon as it runs, would otherwise spend the
whole recovery budget within a minute. What is lost once or twice goes on at once.
"""

from datetime import datetime, timedelta

from penstock_operator.model.states import WaitKind
from penstock_operator.reconcile.case import RunCase
from penstock_operator.reconcile.status import second

AT_ONCE = 2
"""How many recoveries do not wait."""

FIRST, LONGEST = timedelta(seconds=2), timedelta(seconds=60)


def spacing(recovery: int) -> timedelta:
    """Return how far the start of a recovery stays from the start of the attempt before it."""
    doublings = recovery - AT_ONCE - 1
    if doublings < 0:
        return timedelta()
    return min(FIRST * (1 << min(doublings, 10)), LONGEST)


def next_start(case: RunCase, *, recovery: int) -> datetime | None:
    """Return when the next attempt is due, or None if it is now: the lost one lived long enough."""
    if spacing(recovery) == timedelta():
        return None
    due = second(attempt_began(case) + spacing(recovery))
    return due if due > case.now else None


def pause_left(case: RunCase) -> timedelta | None:
    """Return how long the run's current attempt is still held back, or None if it is not."""
    wait = case.status.waiting_for
    if wait is None or wait.kind != WaitKind.RECOVERY or wait.until is None:
        return None
    return wait.until - case.now if wait.until > case.now else None


def attempt_began(case: RunCase) -> datetime:
    """Return when the current attempt was launched, as far as that is still known."""
    if case.job is not None:
        return case.job.launched_at
    reported = case.report.started_at if case.report is not None else None
    return min(reported, case.now) if reported is not None else case.now
