"""Values that a run draws once, and finds again whenever it is taken up again.

    from penstock import flow, now, random, uuid4

    @flow
    def raffle(names: list[str]) -> str:
        order, began = uuid4(), now()
        return announce(order, random().choice(names), began)

The body of a flow is read anew on each launch; what it takes from the clock, or from chance, would
be another value then. In a plain call these are just the values.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from penstock import clock
from penstock.drivers.scope import enter_engine

if TYPE_CHECKING:
    from random import Random
    from uuid import UUID

__all__ = ["now", "random", "uuid4"]


def now() -> datetime:
    """Return the time, in UTC; on every later launch the same."""
    return datetime.fromisoformat(str(_recorded("now", lambda: clock.now().isoformat())))


def uuid4() -> UUID:
    """Return a random UUID; on every later launch the same."""
    import uuid

    return uuid.UUID(str(_recorded("uuid4", lambda: str(uuid.uuid4()))))


def random() -> Random:
    """Return a generator of random numbers whose seed is drawn here; later the same again."""
    from random import Random

    seed = _recorded("random", lambda: int.from_bytes(os.urandom(8), "big"))
    return Random(int(str(seed)))  # noqa: S311 - guards nothing


def _recorded(name: str, make: Callable[[], object]) -> object:
    scope = enter_engine()
    if scope is None or scope.journal is None:
        return make()
    return scope.journal.note(scope.draw(identity=name), make=make)
