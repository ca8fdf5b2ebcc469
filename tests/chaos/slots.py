"""Who is inside a ConcurrencyLimit, as the ledger hears it, and until when that is its right.

Programs share limits, so they are judged together. Somebody is inside from when it says so to the
last that it says from inside: a process that was killed says nothing more, and does no harm.

A slot is a lease. It lapses, whatever its holder believes, when the holder has not written the
limit for as long as the lease lasts, and when the operator has written of its run that it is at a
later attempt, has left its pod, or is over. The requests that say so are seen by the proxy. The
moment that counts is the one before the server was asked: so what is called a violation is one, on
a machine however slow.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

LIMITS = {"shared": 3, "tagged": 2, "closed": 0}
"""How many slots there are; tasks with the tag `tagged` need one of the second."""
LEASE = 5
"""Seconds: the shortest that there is, so that leases lapse."""
AWAY = ("Suspended", "Completed", "Failed", "Crashed", "Cancelled")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process of a run."""

    run: str
    attempt: int
    pod: str


@dataclass(frozen=True, slots=True)
class Stay:
    """From when until when somebody was inside, by right as far as that is known."""

    holder: Holder
    limit: str
    slots: int
    since: float
    until: float

    def __str__(self) -> str:
        holder = f"{self.holder.run} attempt {self.holder.attempt} in {self.holder.pod}"
        return f"{self.slots} by {holder} from {self.since:.3f} to {self.until:.3f}"


class Slots:
    """Hears of all who are inside, of what holders write, and what the operator says of runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stays: dict[str, Stay] = {}
        self._writes: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._said: dict[str, list[tuple[float, int, str]]] = defaultdict(list)

    def heard(self, run: str, facts: Mapping[str, object], *, at: float) -> None:
        """Take note of what somebody says from inside, for the first time or again."""
        block = str(facts["block"])
        with self._lock:
            before = self._stays.get(block)
            holder = Holder(run, int(str(facts["attempt"])), str(facts["pod"]))
            limit, slots = str(facts["limit"]), int(str(facts["slots"]))
            since = before.since if before is not None else at
            self._stays[block] = Stay(holder, limit, slots, since, at)

    def written(self, limit: str, *, pod: str, at: float) -> None:
        """Take note that the holder in a pod has written a limit, later than this."""
        with self._lock:
            self._writes[limit, pod].append(at)

    def ruled(self, run: str, *, attempt: int, state: str, at: float) -> None:
        """Take note that the operator may have written this of a run, later than this."""
        with self._lock:
            self._said[run].append((at, attempt, state))

    def around(self, run: str) -> list[Stay]:
        """Return who was inside by right while somebody of a run was, itself among them."""
        with self._lock:
            stays = [self._rightful(stay) for stay in self._stays.values()]
        mine = [stay for stay in stays if stay.holder.run == run]
        return [stay for stay in stays if any(_meet(stay, each) for each in mine)]

    def _rightful(self, stay: Stay) -> Stay:
        holder = stay.holder
        writes = sorted(self._writes[stay.limit, holder.pod])
        lapses = [
            at
            for at, attempt, state in self._said[holder.run]
            if attempt > holder.attempt or (attempt == holder.attempt and state in AWAY)
        ]
        until = min(stay.until, _expiry(writes, stay.since), *lapses)
        return Stay(holder, stay.limit, stay.slots, stay.since, until)


def _expiry(writes: Sequence[float], since: float) -> float:
    """Return when a lease lapses that was good at a moment, if ever it was."""
    before = bisect_right(writes, since)
    if not before:
        return since - 1
    later = writes[before - 1 :]
    for one, other in pairwise(later):
        if other > one + LEASE:
            return one + LEASE
    return later[-1] + LEASE


def _meet(one: Stay, other: Stay) -> bool:
    return one.limit == other.limit and one.since <= other.until and other.since <= one.until


def crowds(stays: Sequence[Stay]) -> Iterator[str]:
    """Tell of each moment at which somebody came in and more slots were held than there are."""
    for stay in stays:
        if stay.until < stay.since:
            continue
        inside = [
            each
            for each in stays
            if each.limit == stay.limit and each.since <= stay.since <= each.until
        ]
        held = sum(each.slots for each in inside)
        if held > LIMITS[stay.limit]:
            who = "; ".join(map(str, inside))
            yield f"{held} of {LIMITS[stay.limit]} slots of {stay.limit} were held at once: {who}"
