"""Exceptions in words, for people who want to see their own code in them and not the engine's."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from penstock.engine.outcome import ErrorReport

_ENGINE = str(Path(__file__).parent)


def report_error(error: BaseException) -> ErrorReport:
    """Return the exception in words; frames of the engine's own are left out."""
    kind = type(error)
    qualified = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        qualified = f"{kind.__module__}.{qualified}"
    return ErrorReport(qualified, str(error), user_traceback(error))


def user_traceback(error: BaseException) -> str:
    """Return the traceback as Python prints it, causes and groups included, engine left out.

    With ``PENSTOCK_DEBUG`` set, the engine's frames are shown too.
    """
    described = traceback.TracebackException.from_exception(error, capture_locals=False)
    for part in () if os.environ.get("PENSTOCK_DEBUG") else _parts(described):
        own = [frame for frame in part.stack if not frame.filename.startswith(_ENGINE)]
        part.stack = traceback.StackSummary.from_list(own)
    return "".join(described.format())


def _parts(described: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    unseen = [described]
    while unseen:
        part = unseen.pop()
        yield part
        related = [part.__cause__, part.__context__, *(part.exceptions or ())]
        unseen.extend(other for other in related if other is not None)
