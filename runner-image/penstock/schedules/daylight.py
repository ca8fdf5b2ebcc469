"""From a time on the wall to the moments at which a clock shows it: none, one, or two.

A clock that is put forward leaves times out (a gap), one that is put back shows times twice (an
overlap). What is due then is a policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush
from zoneinfo import ZoneInfo


class Gap(StrEnum):
    """What becomes of a time that the clock leaves out."""

    RUN_ONCE_AFTER = "RunOnceAfter"
    """All of a gap's times are due once, right after it."""
    SKIP = "Skip"


class Overlap(StrEnum):
    """When a time is due that the clock shows twice."""

    FIRST = "First"
    SECOND = "Second"
    BOTH = "Both"


def moments_of(
    walls: Iterable[datetime], zone: ZoneInfo, *, gap: Gap, overlap: Overlap
) -> Iterator[datetime]:
    """Return the moments, in UTC and in order, of times on the wall that are in order."""
    ahead: list[datetime] = []
    for wall in walls:
        shown = _shown(wall, zone, gap=gap)
        while ahead and shown and ahead[0] < shown[0]:
            yield heappop(ahead)
        match overlap:
            case Overlap.FIRST:
                shown = shown[:1]
            case Overlap.SECOND:
                shown = shown[-1:]
        if len(shown) == 1 and not ahead:
            yield shown[0]
            continue
        for moment in shown:
            heappush(ahead, moment)
    while ahead:
        yield heappop(ahead)


def wall_before(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a time on the wall such that no earlier one is shown after ``moment``."""
    shown = moment.astimezone(zone).replace(microsecond=0)
    wall = shown.replace(tzinfo=None, fold=0)
    if shown.fold:
        return wall
    again = shown.replace(fold=1).utcoffset()
    first = shown.utcoffset()
    put_back = first - again if first is not None and again is not None else timedelta()
    return wall - max(timedelta(), put_back)


def _shown(wall: datetime, zone: ZoneInfo, *, gap: Gap) -> tuple[datetime, ...]:
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        return () if gap is Gap.SKIP else (_end_of_gap(wall, zone),)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return (first,) if first == second else (first, second)


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    low = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # the gap ends between these two
    high = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    after = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)
