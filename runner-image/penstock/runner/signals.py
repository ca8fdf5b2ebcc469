"""How a thread hears SIGTERM at once, whatever the main thread is doing.

Python runs signal handlers in the main thread, between two bytecodes: a flow inside a long C call
would hear SIGTERM too late. The interpreter's C handler however writes each signal's number into
a wake-up descriptor immediately, and the reporter's thread waits on the other end. The same end
wakes it for news from other threads.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from types import FrameType

NEWS = b"\0"
"""No signal has the number 0."""


class Wakeup:
    """One thread waits; any thread, and any signal, wakes it."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def listen(self) -> None:
        """Hear SIGTERM from now on; call it from the main thread."""
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._handle)
        fork = _Fork()
        os.register_at_fork(
            before=fork.hold, after_in_parent=fork.release, after_in_child=fork.forget
        )

    def poke(self) -> None:
        """Wake the waiting thread because there is news."""
        self._send(NEWS)

    def wait(self, timeout: float | None) -> frozenset[int]:
        """Wait for a wake-up, at most `timeout` seconds; return the signals heard."""
        readable, _, _ = select.select([self._receiver], [], [], timeout)
        if not readable:
            return frozenset()
        return frozenset(self._receiver.recv(4096)) - {0}

    def close(self) -> None:
        """Give the descriptors back."""
        self._receiver.close()
        self._sender.close()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        # Told twice on purpose: an event loop of the user's may have taken the wake-up descriptor.
        self._send(bytes([number]))

    def _send(self, message: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # full: the thread will wake anyway
            self._sender.send(message)


class _Fork(threading.local):
    """Undoes `listen` in a forked child, whose SIGTERM would else be heard as the parent's own.

    SIGTERM is held back meanwhile: a child may be told to end before it has undone anything.
    """

    mask: frozenset[int] = frozenset()

    def hold(self) -> None:
        self.mask = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}))

    def release(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)

    def forget(self) -> None:
        with contextlib.suppress(ValueError):  # in a subinterpreter, which hears no signals
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.release()
