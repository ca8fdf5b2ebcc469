"""Moments and durations as people type them, as they read them, and as the API server does."""

from __future__ import annotations

from datetime import UTC, datetime

TYPED = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
"""What an option takes for a moment."""


def human_duration(seconds: float) -> str:
    """Return a duration in its two largest units: `4s`, `3m 20s`, `2h 5m`, `3d 4h`."""
    whole = max(0, int(seconds))
    for size, larger, smaller in ((86400, "d", "h"), (3600, "h", "m"), (60, "m", "s")):
        if whole >= size:
            count, rest = divmod(whole, size)
            rest //= {"h": 3600, "m": 60, "s": 1}[smaller]
            return f"{count}{larger} {rest}{smaller}" if rest else f"{count}{larger}"
    return f"{whole}s"


def parse_time(text: str) -> datetime:
    """Return a moment as the API server writes it."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def wire_time(moment: datetime) -> str:
    """Return a moment as Schedules have it, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
