"""What is to happen when: the alarms of a clock that a test moves, in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count


@dataclass(order=True, slots=True)
class Alarm:
    """A function to be called, once."""

    due: int
    """Nanoseconds after the start."""
    rank: int
    """Of those that are due at once: 1 for who moves the time, who goes on when all have done."""
    number: int
    function: Callable[[], None] | None = field(compare=False)
    """``None``: called, or forgotten."""

    def ring(self) -> None:
        """Call the function, unless it was forgotten."""
        function, self.function = self.function, None
        if function is not None:
            function()

    def forget(self) -> None:
        """Do not call the function any more."""
        self.function = None


class Alarms:
    """Alarms that have not rung. Not safe for threads."""

    def __init__(self) -> None:
        self._waiting: list[Alarm] = []
        self._numbers = count()

    def add(self, due: int, function: Callable[[], None], *, rank: int) -> Alarm:
        """Return a new alarm."""
        alarm = Alarm(due, rank, next(self._numbers), function)
        heapq.heappush(self._waiting, alarm)
        return alarm

    def take_next(self) -> list[Alarm]:
        """Return the alarms that are due first, and of one rank; none if none is left."""
        due: list[Alarm] = []
        while self._waiting:
            first = self._waiting[0]
            if first.function is not None:
                if due and (first.due, first.rank) != (due[0].due, due[0].rank):
                    break
                due.append(first)
            heapq.heappop(self._waiting)
        return due
