"""Backfills: runs of moments that have passed, made up one after another or all at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice

from penstock.schedules.stretches import MOST_BACKFILLED, count_moments, moments_after
from penstock_operator.model.schedule import Backfill, BackfillStatus, Schedule, Start
from penstock_operator.reconcile.scheduling.observed import ScheduledRun
from penstock_operator.reconcile.scheduling.rules import Rules, rules_of

AT_ONCE = 20
"""Runs that one plan makes, so that others get their turn."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a backfill goes on."""

    status: BackfillStatus
    starts: tuple[datetime, ...]


def backfill_fault(schedule: Schedule) -> str | None:
    """Return a sentence about the first backfill that asks for too much; all else goes on."""
    for each in schedule.spec.backfills:
        if _is_too_large(each, schedule=schedule):
            return (
                f"The backfill {each.name} asks for more than {MOST_BACKFILLED} runs and is not"
                " begun; split it into shorter ones."
            )
    return None


def _is_too_large(backfill: Backfill, *, schedule: Schedule) -> bool:
    begun = any(_is_same(each, backfill) for each in schedule.status.backfills)
    return not begun and _count(backfill, schedule=schedule) > MOST_BACKFILLED


def go_on(
    schedule: Schedule, *, runs: Iterable[ScheduledRun], starting: Iterable[Start], now: datetime
) -> list[Progress]:
    """Return how each backfill on the list goes on; what is no longer on it is given up."""
    begun = {each.name: each for each in schedule.status.backfills}
    active = [*(each.backfill for each in runs), *(each.backfill for each in starting)]
    return [
        _next_step(
            each,
            status=_standing(each, begun.get(each.name), schedule=schedule),
            active=active.count(each.name),
            schedule=schedule,
            now=now,
        )
        for each in schedule.spec.backfills
        if not _is_too_large(each, schedule=schedule)
    ]


def _next_step(
    backfill: Backfill, *, status: BackfillStatus, active: int, schedule: Schedule, now: datetime
) -> Progress:
    one_by_one = backfill.overlap_policy == "BufferAll"
    if status.complete or (one_by_one and active):
        return Progress(status, ())
    last = min(backfill.end, now)
    rules = rules_of(schedule.spec)
    moments = moments_after(status.through, *rules, first=backfill.start, last=last)
    starts = tuple(islice(moments, 1 if one_by_one else AT_ONCE))
    if starts:
        changes = {"through": starts[-1], "done": status.done + len(starts)}
    else:
        changes = {"complete": backfill.end <= now}
    return Progress(status.model_copy(update=changes), starts)


def _standing(
    backfill: Backfill, known: BackfillStatus | None, *, schedule: Schedule
) -> BackfillStatus:
    if known is not None and _is_same(known, backfill):
        return known
    return BackfillStatus(
        name=backfill.name,
        start=backfill.start,
        end=backfill.end,
        total=_count(backfill, schedule=schedule),
    )


def _is_same(status: BackfillStatus, backfill: Backfill) -> bool:
    begun = (status.name, status.start, status.end)
    return begun == (backfill.name, backfill.start, backfill.end)


def _count(backfill: Backfill, *, schedule: Schedule) -> int:
    return _count_moments(rules_of(schedule.spec), backfill.start, backfill.end)


@lru_cache(maxsize=1000)
def _count_moments(rules: Rules, start: datetime, end: datetime) -> int:
    return count_moments(*rules, first=start, last=end)
