"""How a process tells another one that it need not wait for its next look: by an empty datagram.

Linux has names for sockets that are no files and go with their process. Elsewhere nobody is woken,
and looks alone have to do.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

from penstock.concurrency.line import line_here
from penstock.concurrency.processes import Process, this_process

_HAS_NAMES = sys.platform == "linux"


def listen() -> None:
    """Let other processes wake those who wait in this one."""
    if _HAS_NAMES:
        _listener_of(this_process())


def wake(processes: Iterable[Process]) -> None:
    """Make those look who stand first in the lines of these processes."""
    others = set(processes)
    if this_process() in others:
        others.discard(this_process())
        line_here().ring_all()
    if others and _HAS_NAMES:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for process in others:
                with suppress(OSError):  # it is gone, or has many such letters already
                    sender.sendto(b"", _address(process))


@cache
def _listener_of(process: Process) -> threading.Thread:
    letters = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with suppress(OSError):  # without the name it has to look for itself
        letters.bind(_address(process))
    thread = threading.Thread(target=_hear, args=(letters,), name="penstock-limits", daemon=True)
    thread.start()
    return thread


def _hear(letters: socket.socket) -> None:
    while True:
        letters.recv(1)
        line_here().ring_all()


def _address(process: Process) -> str:
    return f"\0penstock-{process.pid}-{process.started}"
