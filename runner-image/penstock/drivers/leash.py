"""Interrupting a body whose time has run out, and nothing else that its thread does.

A thread cannot be killed. An asynchronous exception can be tried, which Python raises in it when it
next runs Python code; in a thread that is not in the body any more, or that has taken the identity
of one that ended, it would break what it has nothing to do with.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType

from penstock.errors import TaskAbandoned

_HANDS = frozenset({"__enter__", "__exit__"})


class Leash:
    """Entered by the thread that runs a body, around it; cut by the one that waits for it."""

    __slots__ = ("_is_cut", "_lock", "_thread")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._is_cut = False

    def __enter__(self) -> None:
        with self._lock:
            if self._is_cut:
                raise TaskAbandoned("The time ran out before the body had begun.")
            self._thread = threading.get_ident()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:  # who cut it before has sent the exception, which is raised here at last
            self._thread = None

    def cut(self) -> None:
        """Let a body not begin any more, and raise ``TaskAbandoned`` in one that runs."""
        with self._lock:
            self._is_cut = True
            if self._thread is None or _changes_hands(self._thread) or _spins_meanwhile():
                return
            import ctypes

            exception = ctypes.py_object(TaskAbandoned)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), exception)


def _changes_hands(thread: int) -> bool:
    """Tell whether a thread takes or gives back what it might then hold for ever.

    That is the lock of a module, or what a ``with`` is about, as the lock of a ``Condition``.
    """
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - documented, for debuggers
    while frame is not None:
        code = frame.f_code
        if code.co_filename == "<frozen importlib._bootstrap>" or code.co_name in _HANDS:
            return True
        frame = frame.f_back
    return False


def _spins_meanwhile() -> bool:
    """Tell whether this thread would do nothing until the other one has taken the exception.

    CPython 3.11 does not get past the beginning of a traced function while one is pending anywhere.
    """
    traced = sys.gettrace() is not None or sys.getprofile() is not None
    return sys.version_info < (3, 12) and traced
