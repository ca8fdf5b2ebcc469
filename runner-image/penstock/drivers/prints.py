"""``print`` in a body whose prints are logged.

``print`` is a builtin, so there is no place to stand in for it but ``builtins``. It is taken while
such a body runs, and whoever is not in one gets the ``print`` that was there before.
"""

from __future__ import annotations

import builtins
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from penstock.drivers.runlog import FLOW_RUNS, TASK_RUNS, extra_of
from penstock.drivers.scope import Scope, current_scope
from penstock.engine.runs import FlowRun

_NOTHING: AbstractContextManager[None] = nullcontext()


class _Capture:
    def __init__(self) -> None:
        self._bodies = 0
        self._lock = threading.Lock()
        self._print: Callable[..., None] = builtins.print
        self._here = threading.local()

    def __enter__(self) -> None:
        with self._lock:
            self._bodies += 1
            if self._bodies == 1:
                self._print, builtins.print = builtins.print, self._log_or_print

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._bodies -= 1
            if self._bodies == 0:
                builtins.print = self._print

    def _log_or_print(self, *values: object, sep: str | None = " ", **options: object) -> None:
        scope = current_scope.get()
        to_the_screen = options.get("file") in (None, sys.stdout, sys.stderr)
        # A log that cannot be written complains by print, which must not go into that log.
        logging_now = getattr(self._here, "logging", False)
        if scope is None or not scope.log_prints or not to_the_screen or logging_now:
            self._print(*values, sep=sep, **options)
            return
        log = FLOW_RUNS if isinstance(scope.run, FlowRun) else TASK_RUNS
        text = (" " if sep is None else sep).join(map(str, values))
        self._here.logging = True
        try:
            log.info("%s", text, extra=extra_of(scope.run))
        finally:
            self._here.logging = False


_CAPTURE = _Capture()


def prints_of(scope: Scope) -> AbstractContextManager[None]:
    """Return a context in which the body's prints go to the run's log, if they are to."""
    return _CAPTURE if scope.log_prints else _NOTHING


@contextmanager
def beside(scope: Scope | None) -> Iterator[None]:
    """Enter the scope of a hook, as a body's is entered; there is none outside of any run."""
    if scope is None:
        yield
        return
    with scope, prints_of(scope):
        yield
