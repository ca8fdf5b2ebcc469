"""A claim to slots of ConcurrencyLimits: one after the other, in an order that all keep.

Objects cannot be written two at once. Since everybody takes them in the order of their names, no
two wait for each other; what is had already is held meanwhile.
"""

from __future__ import annotations

from typing import Protocol

from penstock.concurrency.claims import Request, refuse_impossible, say_unlimited
from penstock.concurrency.ledger import Wish
from penstock.concurrency.line import Place
from penstock.runner.limits.desk import Ask, Desk

_LOOK_SECONDS = 60.0
"""Between looks at a bell that rings by itself."""


class Desks(Protocol):
    """Where slots are had."""

    def are_known(self, place: Place) -> bool:
        """Tell whether the limits are known; if not, the bell of the place will ring."""

    def desk(self, name: str) -> Desk | None:
        """Return where slots of a limit are had, if there is that limit."""

    def wake(self) -> None:
        """Have written what was asked."""


class ClusterClaim:
    """Slots of several limits that are waited for, then held."""

    def __init__(self, request: Request, *, overtakes: bool, limits: Desks) -> None:
        self._request = request
        self._limits = limits
        self._wish = Wish(occupy=request.slots, rate=not request.held, overtakes=overtakes)
        self._left = sorted(request.names)
        self._asked: dict[str, tuple[Desk, Ask]] = {}
        self._place = Place(0, ())

    @property
    def place(self) -> Place:
        """Return what has the bell that rings when it is time to look."""
        return self._place

    @property
    def waits_for(self) -> str | None:
        """The limit in whose line it stands: from then on its place is kept for its run.

        Before, the run may have been given the slot for which it left an earlier pod.
        """
        name = self._left[0]
        return name if name in self._asked and self._asked[name][1].is_in_line else None

    @property
    def is_answered(self) -> bool:
        """Whether the limit has said that this process waits."""
        return self.waits_for is not None

    def look(self) -> float | None:
        """Return None once all slots are had; else the seconds to wait if no bell rings."""
        self.place.look()
        if not self._limits.are_known(self.place):
            return _LOOK_SECONDS
        while self._left:
            if not self._is_had(self._left[0]):
                return _LOOK_SECONDS
            del self._left[0]
        return None

    def leave(self) -> None:
        """Give back what is had, and wait no longer."""
        for desk, ask in self._asked.values():
            desk.give_back(ask)
        if self._asked:
            self._limits.wake()

    def _is_had(self, name: str) -> bool:
        desk = self._limits.desk(name)
        terms = desk.terms if desk is not None else None
        if desk is None or terms is None:
            say_unlimited(name, self._request, remedy=f"kubectl penstock limit set {name} NUMBER")
            return True
        refuse_impossible(
            name,
            self._request,
            limit=terms.limit,
            decay=terms.decay,
            remedy=f"kubectl penstock limit set {name} {terms.limit} --decay SLOTS_PER_SECOND",
        )
        if name not in self._asked:
            self._asked[name] = desk, desk.ask(self._wish, self.place.ring)
            self._limits.wake()
        return self._asked[name][1].is_served
