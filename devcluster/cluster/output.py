"""What a person sees meanwhile: steps on standard error, with a running clock on a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show a step before it begins and, when it is done, how long it took."""
    start = time.monotonic()
    over = threading.Event()
    clock = threading.Thread(target=_run_clock, args=(text, start, over), daemon=True)
    clock.start()
    end = "failed after"
    try:
        yield
        end = "took"
    finally:
        over.set()
        clock.join()
        say(f"{_line_start()}{text}: {end} {time.monotonic() - start:.1f} s")


def _run_clock(text: str, start: float, over: threading.Event) -> None:
    """Keep one line of a terminal current; elsewhere, give a sign of life twice a minute."""
    if not sys.stderr.isatty():
        say(f"{text} …")
    while not over.wait(0.2 if sys.stderr.isatty() else 30):
        passed = f"{text} … {time.monotonic() - start:.0f} s"
        if sys.stderr.isatty():
            print(f"{_line_start()}{passed}", end="", file=sys.stderr, flush=True)
        else:
            say(passed)


def _line_start() -> str:
    return "\r\033[K" if sys.stderr.isatty() else ""
