"""How fast and how patient the reporter is."""

from __future__ import annotations

import random
from dataclasses import dataclass

from penstock.runner.submission import Failed

LONGEST_RETRY_AFTER = 30.0
"""Longer is not waited, whatever the server asks: nobody else can tell the run's outcome."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations in seconds."""

    interval: float = 1.0
    """Between two reports."""
    patience: float = 120.0
    """Until the API server must have taken the claim, and the outcome."""
    inquiry: float = 10.0
    """For finding out what a SIGTERM means."""
    margin: float = 5.0
    """Between leaving and the kubelet's SIGKILL."""
    farewell: float = 2.0
    """For each answer of the API server, once the process must leave."""
    first_retry: float = 0.2
    """After a failed report; doubled for each further one."""
    longest_retry: float = 5.0


class Backoff:
    """Growing delays between tries, spread so that many pods do not return all at once."""

    def __init__(self, pace: Pace) -> None:
        self._first = pace.first_retry
        self._longest = pace.longest_retry
        self._tries = 0

    def reset(self) -> None:
        """Begin again with the shortest delay."""
        self._tries = 0

    def after(self, failed: Failed) -> float:
        """Return how long to wait after this failure."""
        delay = min(self._longest, self._first * float(2 ** min(self._tries, 16)))
        self._tries += 1
        spread = delay * random.uniform(0.75, 1.25)  # noqa: S311 - no secret hangs on it
        return max(spread, min(failed.retry_after or 0.0, LONGEST_RETRY_AFTER))
