"""Which of the moments that are due get their run, however long nobody looked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from penstock_operator.model.schedule import CatchUpOrder, Schedule
from penstock_operator.reconcile.scheduling.rules import due_at, scheduled_after

PUNCTUAL = timedelta(seconds=10)
"""What is less late than that was not missed."""

CHUNK = 500
"""Moments decided in one plan: what lies a year behind takes several."""
_SPARE = 16


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be decided now."""

    runs: tuple[datetime, ...]
    """Moments that get their run, in the order in which they start."""
    missed: int
    """How many are skipped."""
    through: datetime
    """All moments up to here are among these."""
    more: bool
    """Whether others are due behind them."""


def due_moments(schedule: Schedule, *, after: datetime, now: datetime) -> Due:
    """Return what is due since ``after``: what is punctual, and the latest of what was missed."""
    catch_up = schedule.spec.catch_up
    size = CHUNK + catch_up.limit + _SPARE

    def is_due(moment: datetime) -> bool:
        return due_at(moment, schedule=schedule) <= now

    def is_late(moment: datetime) -> bool:
        return now - due_at(moment, schedule=schedule) > PUNCTUAL

    found = list(islice(takewhile(is_due, scheduled_after(after, spec=schedule.spec)), size))
    late = [each for each in found if is_late(each)]
    if len(found) == size and len(late) >= CHUNK + catch_up.limit:
        # So many are missed behind the first ones that those are not among the latest.
        return Due(runs=(), missed=CHUNK, through=found[CHUNK - 1], more=True)
    window = timedelta(seconds=catch_up.window_seconds)
    kept = _latest([each for each in late if now - each <= window], catch_up.limit)
    punctual = [each for each in found if not is_late(each)]
    made_up = kept if catch_up.order == CatchUpOrder.OLDEST_FIRST else kept[::-1]
    return Due(
        runs=(*made_up, *punctual),
        missed=len(late) - len(kept),
        through=found[-1] if found else after,
        more=len(found) == size,
    )


def _latest(moments: Sequence[datetime], number: int) -> list[datetime]:
    return list(moments[-number:]) if number else []
