"""How fast one run may write its journal, so that no run takes etcd away from the others.

A burst is free. After it each write waits for its turn; whatever else is to be stored gathers
behind it and is stored together, so that many tasks at once are not held up by this for long.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BURST = 1000
PER_SECOND = 50.0


class Allowance:
    """A bucket of writes that fills by itself."""

    def __init__(
        self,
        *,
        burst: int = BURST,
        per_second: float = PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._left = float(burst)
        self._seen = clock()

    def take(self) -> float:
        """Take one write; return how many seconds to wait before it."""
        now = self._clock()
        earned = (now - self._seen) * self._per_second
        self._left = min(self._burst, self._left + earned) - 1
        self._seen = now
        return max(0.0, -self._left / self._per_second)
