"""Words for people: durations, times and bounded sentences."""

from datetime import UTC, datetime, timedelta

LONGEST_MESSAGE = 4096
"""What the schema lets a message hold."""

LONGEST_NOTE = 1024
"""What the message of an Event may hold."""

LONGEST_QUOTE = 1024
"""How much of somebody else's words a sentence repeats."""


def shorten(words: str, *, limit: int = LONGEST_MESSAGE) -> str:
    """Cut words to a limit, and show that they were cut."""
    return words if len(words) <= limit else words[: limit - 1] + "…"


def quote(words: str) -> str:
    """Repeat somebody else's words within a sentence: one line, bounded, without a full stop."""
    said = shorten(" ".join(words.split()), limit=LONGEST_QUOTE)
    return said.rstrip(". ") or "no reason is given"


def duration(length: timedelta) -> str:
    """Write a length of time as people do in this field: 42s, 3m12s, 2h5m, 3d4h."""
    seconds = max(0, int(length.total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    for large, unit, small, below in (
        (days, "d", hours, "h"),
        (hours, "h", minutes, "m"),
        (minutes, "m", seconds, "s"),
    ):
        if large:
            return f"{large}{unit}{small}{below}" if small else f"{large}{unit}"
    return f"{seconds}s"


def clock(when: datetime) -> str:
    """Write a time of day; always UTC, since operator and reader may be far apart."""
    return when.astimezone(UTC).strftime("%H:%M:%S UTC")


def date(when: datetime) -> str:
    """Write a time that may be days away."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
