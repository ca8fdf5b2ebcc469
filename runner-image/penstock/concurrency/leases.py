"""Who is silent for so long that its slots are free again.

No clock of another machine is trusted: a process is dead when its entry has not changed for as long
as a lease lasts, by the observer's own clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from penstock.concurrency.book import Book, Key, Terms

Sightings = Mapping[Key, tuple[datetime, float]]
"""Of each process its last sign of life, and when it was seen first, by the observer's clock."""


def sight(book: Book, before: Sightings, *, at: float) -> Sightings:
    """Note the signs of life that a book holds; ``at`` is in seconds of a clock of one's own."""
    signs: dict[Key, datetime] = {}
    for entry in (*book.holders, *book.waiting):
        if not entry.suspended:
            signs[entry.key] = max(entry.expires_at, signs.get(entry.key, entry.expires_at))
    return {
        key: seen if (seen := before.get(key)) and seen[0] == sign else (sign, at)
        for key, sign in signs.items()
    }


def dead(sightings: Sightings, terms: Terms, *, at: float) -> frozenset[Key]:
    """Return who has given no sign of life for as long as a lease lasts, as far as one saw."""
    return frozenset(
        key for key, (_, seen) in sightings.items() if at - seen >= terms.lease_seconds
    )
