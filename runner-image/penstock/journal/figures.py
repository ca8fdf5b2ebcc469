"""What a journal tells of itself: how far the run came, and what it could not keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_NO_PROGRESS = frozenset(
    {"start", "given", "inherited", "origin", "rewound", "code", "left", "due", "beat"}
)
"""Entries that a run stores although nothing has come of its work yet."""


@dataclass(slots=True)
class Figures:
    """Counted as entries are stored."""

    entries: int = 0
    """Those by which the run came forward, of all launches."""
    size: int = 0
    """Bytes of all values, as they are stored."""
    unstored: int = 0
    """Results of this launch that could not be stored."""
    unstored_task: str = ""
    """Of the last of them."""

    code_changed: bool = False
    """Whether this launch goes on with other code than the one before."""
    owed: object = False
    """Whether there are roll-backs if the run ends now: asked for when it is reported."""

    def count(self, lines: Iterable[str]) -> None:
        """Count entries that were stored."""
        self.entries += sum(line.partition(" ")[0] not in _NO_PROGRESS for line in lines)

    def miss(self, task: str) -> None:
        """Count a result that is not stored."""
        self.unstored += 1
        self.unstored_task = task
