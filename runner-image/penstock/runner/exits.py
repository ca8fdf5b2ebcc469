"""The exit codes that the operator reads, and how a thread ends the process."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import NoReturn

COMPLETED = 0
FAILED = 1
NOT_IN_POD = 2
CRASHED = 3
CANCELLED = 4
SUSPENDED = 5
FENCED = 70
UNREPORTED = 75
TERMINATED = 143

OF_STATE = {"Completed": COMPLETED, "Failed": FAILED, "Crashed": CRASHED, "Cancelled": CANCELLED}


def say(sentence: str) -> None:
    """Tell whoever reads the pod's log."""
    with contextlib.suppress(OSError, ValueError):  # nobody listens: that is no reason to fail
        print(f"penstock: {sentence}", file=sys.stderr, flush=True)


def leave(code: int, sentence: str) -> NoReturn:
    """End the process now, from whatever thread, whatever the others are doing."""
    # In a thread of its own: the main thread may hold the stream's lock for ever.
    last_words = threading.Thread(target=_speak, args=(sentence,), daemon=True)
    last_words.start()
    last_words.join(timeout=1)
    os._exit(code)


def leave_after(seconds: float, *, code: int) -> None:
    """Leave if the process has not ended by itself: the user's threads can hold it for ever."""
    watchdog = threading.Timer(
        seconds, leave, args=(code, "Threads of the flow are still running; leaving without them.")
    )
    watchdog.daemon = True
    watchdog.start()


def _speak(sentence: str) -> None:
    say(sentence)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
