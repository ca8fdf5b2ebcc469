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
    """Show a step and, when it is done, how long it took."""
    start = time.monotonic()
    done = threading.Event()
    ticker = threading.Thread(target=_tick, args=(text, start, done), daemon=True)
    ticker.start()
    try:
        yield
    except BaseException:
        done.set()
        ticker.join()
        say(f"{_lead()}{text} … failed after {time.monotonic() - start:.1f} s")
        raise
    done.set()
    ticker.join()
    say(f"{_lead()}{text} … {time.monotonic() - start:.1f} s")


def _tick(text: str, start: float, done: threading.Event) -> None:
    interval = 0.5 if sys.stderr.isatty() else 30.0
    while not done.wait(interval):
        passed = time.monotonic() - start
        if sys.stderr.isatty():
            print(f"\r\033[K{text} … {passed:.0f} s", end="", file=sys.stderr, flush=True)
        else:
            say(f"{text} … {passed:.0f} s so far")


def _lead() -> str:
    return "\r\033[K" if sys.stderr.isatty() else ""
