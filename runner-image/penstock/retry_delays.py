"""How long after a failure the next attempt begins, as the author writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

Delay = float | Sequence[float] | Callable[[int], Sequence[float]]
"""Seconds before each retry: one number, a list, or a function of the number of retries."""


def delays_of(delay: Delay, *, retries: int) -> tuple[float, ...]:
    """Return the seconds before each retry; the last holds for all that follow."""
    if type(retries) is not int or retries < 0:
        raise ValueError(f"retries is a number of at least 0, not {retries!r}.")
    given = delay
    if callable(delay):
        delay = delay(retries)
    listed = [delay] if isinstance(delay, int | float) else delay
    if not _holds_numbers(listed):
        raise TypeError(
            "retry_delay_seconds is a number of seconds, a list of them, or a function of the "
            f"number of retries that returns a list, not {given!r}."
        )
    delays = tuple(map(float, listed))
    if any(seconds < 0 for seconds in delays):
        raise ValueError(f"retry_delay_seconds cannot be negative: {list(delays)}.")
    return delays


def _holds_numbers(value: object) -> bool:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return False
    return not any(isinstance(each, str | timedelta) for each in value)


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return retry delays that double each time, beginning with ``backoff_factor`` seconds."""
    if not _holds_numbers([backoff_factor]) or backoff_factor < 0:
        raise ValueError(f"backoff_factor is a number of seconds, not {backoff_factor!r}.")

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**retry for retry in range(retries)]

    return delays
