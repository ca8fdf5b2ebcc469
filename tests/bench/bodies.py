"""Bodies that worker processes import."""

import time


def echo(value: int) -> int:
    return value


def spin(value: int) -> int:
    """Compute for a millisecond."""
    until = time.perf_counter() + 0.001
    while time.perf_counter() < until:
        pass
    return value
