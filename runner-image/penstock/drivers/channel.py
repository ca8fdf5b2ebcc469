"""Messages over a socket.

``multiprocessing.connection`` reads twice for each message, and each read gives up and takes back
the interpreter's lock, which many threads want: for empty bodies that is a good part of the cost.
"""

from __future__ import annotations

import socket

_HEADER = 8
_CHUNK = 1 << 16
BEAT = b"heartbeat "
"""How a message begins that comes before the answer; answers are pickles."""


class Channel:
    """One end. Raises ``EOFError`` or ``ConnectionError`` when the other is gone."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._ahead = b""
        """What came with the last message and belongs to the next."""

    def send(self, message: bytes) -> None:
        """Send a message of any size."""
        header = len(message).to_bytes(_HEADER, "big")
        if len(message) < _CHUNK:
            self._end.sendall(header + message)
        else:
            self._end.sendall(header)
            self._end.sendall(message)

    def receive(self, *, timeout: float | None = None) -> bytes:
        """Return the next message; raise ``TimeoutError`` if it has not begun in time."""
        received = bytearray(self._ahead or self._first(timeout))
        while len(received) < _HEADER:
            received += self._some()
        size = _HEADER + int.from_bytes(received[:_HEADER], "big")
        while len(received) < size:
            received += self._some()
        self._ahead = bytes(received[size:])
        return bytes(memoryview(received)[_HEADER:size])

    def _first(self, timeout: float | None) -> bytes:
        if timeout is None:
            return self._some()
        self._end.settimeout(timeout)
        first = self._some()
        self._end.settimeout(None)
        return first

    def _some(self) -> bytes:
        some = self._end.recv(_CHUNK)
        if not some:
            raise EOFError
        return some

    def close(self) -> None:
        """Let the other end know that nothing follows."""
        self._end.close()
