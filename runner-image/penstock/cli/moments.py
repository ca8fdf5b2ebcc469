"""Moments and durations as people type them, as they read them, and as the API server does."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from penstock.cli.errors import CommandError

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


def typed_moment(text: str, *, zone: ZoneInfo, option: str, ends_day: bool = False) -> datetime:
    """Return a moment as a person types it, on the clock of the zone unless it has an offset.

    A date alone is the first second of its day, or, where it ``ends_day``, the last one.
    """
    try:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            typed = datetime.fromisoformat(text)
            return (typed if typed.tzinfo else typed.replace(tzinfo=zone)).astimezone(UTC)
        if not ends_day:
            return datetime.combine(day, time(), zone).astimezone(UTC)
        next_day = datetime.combine(day + timedelta(days=1), time(), zone)
        return next_day.astimezone(UTC) - timedelta(seconds=1)
    except (ValueError, OverflowError) as error:
        raise CommandError(
            f"{option} is a day or a moment, such as 2026-02-03, 2026-02-03T09:30 or "
            f"2026-02-03T09:30:00+01:00, not {text!r}."
        ) from error


def wire_time(moment: datetime) -> str:
    """Return a moment as Schedules have it, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
