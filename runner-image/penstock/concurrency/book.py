"""The status of one ConcurrencyLimit: who holds its slots, and who waits for them, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any, NamedTuple

MOST_ENTRIES = 1000
"""Processes that hold, and that wait. Each write holds them all; others wait beside the line."""
WHOLE_RUN = "run"
"""In the place of a process: slots that the operator takes for a run, whichever its attempt."""
ROUNDING = 1e-6
"""Slots that are too few by less are enough: moments are as precise as a microsecond."""


class Key(NamedTuple):
    """Which process of which attempt of which run."""

    uid: str
    attempt: int
    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the spec of a limit says."""

    limit: int
    decay: float = 0.0
    """Slots that were taken by rate and that come back each second."""
    lease_seconds: float = 60.0

    @classmethod
    def read(cls, spec: Mapping[str, Any]) -> Terms:
        """Read a spec, as the API server has it."""
        return cls(
            limit=spec["limit"],
            decay=spec.get("slotDecayPerSecond") or 0.0,
            lease_seconds=spec.get("leaseDurationSeconds") or 60.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A process that holds slots, or waits for some."""

    run: str
    uid: str
    attempt: int
    process: str
    occupy: int
    expires_at: datetime
    """A new one is a sign of life; nobody compares it with a clock."""
    since: datetime | None = None
    rate: bool = False
    """Whether the slots that it waits for are to come back by decay."""
    overtakes: bool = False
    """Whether it holds slots already, for which those before it may be waiting."""
    suspended: bool = False
    """Whether its run has no pod meanwhile: then silence means nothing."""
    yields: bool = False
    """Whether something else keeps its run from starting: then others go before it."""

    @property
    def key(self) -> Key:
        return Key(self.uid, self.attempt, self.process)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Entry:
        """Read one, as the API server has it."""
        return cls(
            run=entry["holder"],
            uid=entry["uid"],
            attempt=entry["attempt"],
            process=entry["process"],
            occupy=entry["occupy"],
            expires_at=datetime.fromisoformat(entry["expiresAt"]),
            since=datetime.fromisoformat(entry["since"]) if entry.get("since") else None,
            rate=entry.get("rate", False),
            overtakes=entry.get("overtakes", False),
            suspended=entry.get("suspended", False),
            yields=entry.get("yields", False),
        )

    def written(self) -> dict[str, Any]:
        """Write it down for the API server."""
        entry: dict[str, Any] = {
            "holder": self.run,
            "uid": self.uid,
            "attempt": self.attempt,
            "process": self.process,
            "occupy": self.occupy,
            "expiresAt": _moment(self.expires_at),
        }
        if self.since is not None:
            entry["since"] = _moment(self.since)
        return entry | {mark: True for mark in _MARKS if getattr(self, mark)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The status of a limit: who has its slots, and who is to have them."""

    holders: tuple[Entry, ...] = ()
    waiting: tuple[Entry, ...] = ()
    """The first first. Each process stands here once at most, for the first of its own line."""
    filled: float = 0.0
    """How many slots had not come back by decay at ``filled_at``."""
    filled_at: datetime | None = None
    others: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the status that are not about slots."""

    @classmethod
    def read(cls, status: Mapping[str, Any]) -> Book:
        """Read a status, as the API server has it."""
        filled_at = status.get("filledAt")
        return cls(
            holders=tuple(map(Entry.read, status.get("holders") or ())),
            waiting=tuple(map(Entry.read, status.get("waiting") or ())),
            filled=status.get("filled") or 0.0,
            filled_at=datetime.fromisoformat(filled_at) if filled_at else None,
            others={name: value for name, value in status.items() if name not in _OURS},
        )

    def written(self) -> dict[str, Any]:
        """Write the status down for the API server."""
        status = {
            **self.others,
            "active": self.held + ceil(self.filled - ROUNDING),
            "queued": len(self.waiting),
            "holders": [entry.written() for entry in self.holders],
            "waiting": [entry.written() for entry in self.waiting],
        }
        if self.filled_at is not None:
            status |= {"filled": round(self.filled, 6), "filledAt": _moment(self.filled_at)}
        return status

    @property
    def held(self) -> int:
        """How many slots are held."""
        return sum(entry.occupy for entry in self.holders)

    def held_by(self, key: Key) -> int:
        """Return how many slots a process holds."""
        return sum(entry.occupy for entry in self.holders if entry.key == key)

    def ticket_of(self, key: Key) -> Entry | None:
        """Return for what a process waits."""
        return next((entry for entry in self.waiting if entry.key == key), None)

    def filled_by(self, now: datetime, *, terms: Terms) -> float:
        """Return how many slots have not come back by decay."""
        if self.filled_at is None or not terms.decay:
            return 0.0
        passed = max(0.0, (now - self.filled_at).total_seconds())
        return max(0.0, self.filled - terms.decay * passed)

    def fits(self, occupy: int, *, terms: Terms, now: datetime) -> bool:
        """Tell whether so many slots are free."""
        taken = self.held + self.filled_by(now, terms=terms)
        return taken + occupy <= terms.limit + ROUNDING


_MARKS = ("rate", "overtakes", "suspended", "yields")
_OURS = {"active", "queued", "holders", "waiting", "filled", "filledAt"}


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
