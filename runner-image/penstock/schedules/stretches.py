"""Moments between two others: those that a Schedule sees to, and how many a backfill asks for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, islice, takewhile

from penstock.schedules import Schedule, ticks_after

MOST_BACKFILLED = 10_000
"""How many runs one backfill may ask for."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing is due before: some zones cannot be told at the beginning of the calendar."""
_SECOND = timedelta(seconds=1)


def moments_after(
    after: datetime | None, *schedules: Schedule, first: datetime | None, last: datetime | None
) -> Iterator[datetime]:
    """Return the moments later than ``after`` and within the bounds, in whole seconds, in order."""
    earliest = max(EARLIEST, first or EARLIEST)
    begin = earliest - _SECOND if after is None else max(after, earliest - _SECOND)
    seconds = (tick.replace(microsecond=0) for tick in ticks_after(begin, *schedules))
    moments = dropwhile(lambda tick: tick < earliest or tick <= begin, seconds)
    return moments if last is None else takewhile(lambda tick: tick <= last, moments)


def count_moments(*schedules: Schedule, first: datetime, last: datetime) -> int:
    """Count the moments from ``first`` to ``last``; one more than a backfill may ask for, where
    there are more."""
    moments = moments_after(None, *schedules, first=first, last=last)
    return sum(1 for _ in islice(moments, MOST_BACKFILLED + 1))
