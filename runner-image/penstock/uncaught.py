"""What a program shows of an exception that nobody caught: the author's own lines."""

from __future__ import annotations

import sys
from types import TracebackType


def hide_engine_by_default() -> None:
    """Leave the engine's frames out, in a program that has no way of its own to show exceptions."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, Exception):  # Python has its own end for Ctrl-C
        sys.__excepthook__(kind, error, trace)
        return
    try:
        from penstock.tracebacks import user_traceback

        words = user_traceback(error)
    except Exception:  # whatever this is about, the exception is to be seen
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write(words)
