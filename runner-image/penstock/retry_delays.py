"""How long after a failure the next attempt begins, as the author writes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Delay = float | Sequence[float] | Callable[[int], Sequence[float]]
"""Seconds before each retry: one number, a list, or a function of the number of retries."""


def delays_of(delay: Delay, *, retries: int) -> tuple[float, ...]:
    """Return the seconds before each retry; the last holds for all that follow."""
    if type(retries) is not int or retries < 0:
        raise ValueError(f"retries is a number of at least 0, not {retries!r}.")
    if callable(delay):
        delay = delay(retries)
    delays = (float(delay),) if isinstance(delay, int | float) else tuple(map(float, delay))
    if any(seconds < 0 for seconds in delays):
        raise ValueError(f"retry_delay_seconds cannot be negative: {list(delays)}.")
    return delays


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return retry delays that double each time, beginning with ``backoff_factor`` seconds."""

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**retry for retry in range(retries)]

    return delays
