"""What a worker process does: run parcel after parcel until nobody is at the other end."""

from __future__ import annotations

import os
import pickle
import signal
import socket
from collections.abc import Callable

from penstock.drivers.beats import sent_home
from penstock.drivers.channel import BEAT, Channel
from penstock.drivers.parcels import Answer, Left, dumped, run_parcel


def serve(fd: int) -> None:
    """Greet, then answer parcels read from ``fd``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's, who ends this process
    os.set_inheritable(fd, False)
    channel = Channel(socket.socket(fileno=fd))
    sent_home.set(lambda payload: channel.send(BEAT + dumped(payload)))
    try:
        trouble = _initialised(channel.receive())
        channel.send(trouble)
        while True:
            channel.send(run_parcel(channel.receive()))
    except (EOFError, ConnectionError):
        return


def _initialised(greeting: bytes) -> bytes:
    """Run the initializer; return the answer to every parcel, if that fails."""
    from penstock.drivers.remote_body import portable

    try:
        initializer: tuple[Callable[..., object], tuple[object, ...]] | None
        initializer = pickle.loads(greeting)  # noqa: S301 - the driver's
        if initializer is not None:
            function, arguments = initializer
            function(*arguments)
    except BaseException as error:
        import cloudpickle

        answer: bytes = cloudpickle.dumps(Answer(None, portable(error), Left([], [], {}, [])))
        return answer
    return b""
