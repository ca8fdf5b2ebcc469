"""Objects as models: what many ask for is read once, not once for each who asks.

Ten thousand runs of one Flow look at it each time they are looked at; it changes once a day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from penstock_operator.kube.caches import Cache, Name, Object

T = TypeVar("T")

_Read = Callable[[Object], T]


class Readings:
    """The last reading of each object, for as long as the cache holds that version."""

    def __init__(self) -> None:
        self._last: dict[tuple[_Read[Any], Name], tuple[Object, Any]] = {}

    def of(self, read: _Read[T], cache: Cache, *, name: Name) -> T | None:
        """Return an object of a cache as it is read; None if there is none."""
        raw = cache.get(name)
        if raw is None:
            self._last.pop((read, name), None)
            return None
        last = self._last.get((read, name))
        if last is None or last[0] is not raw:
            last = self._last[read, name] = (raw, read(raw))
        found: T = last[1]
        return found
