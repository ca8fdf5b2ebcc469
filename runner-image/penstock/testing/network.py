"""No network in a test: what opens a connection, or looks a name up, is refused and says so."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

from penstock.errors import PenstockError

_LOOPBACK = ("localhost", "127.0.0.0/8", "::1")
_CONNECTING = ("connect", "connect_ex", "sendto")
_LOOKING_UP = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")


class NoNetworkError(PenstockError):
    """A test reached for the network. No ``OSError``: code that bears those shall not hide it."""


@contextmanager
def no_network(*, allow: Iterable[str] = ()) -> Iterator[None]:
    """Refuse connections and look-ups of names, in all threads of the process.

    ``allow`` holds host names, addresses and networks; "localhost" is the whole loopback. Sockets
    of this machine's file system are no network. What is not Python (a database's own client) and
    what runs in another process is not held back.
    """
    allowed = _Allowed(allow)
    patched: list[tuple[Any, str, bool, object]] = []

    def patch(owner: Any, name: str, guard: Callable[..., object]) -> None:
        patched.append((owner, name, name in vars(owner), getattr(owner, name)))
        setattr(owner, name, guard)

    for name in _CONNECTING:
        patch(socket.socket, name, _guarded_method(getattr(socket.socket, name), allowed))
    for name in _LOOKING_UP:
        patch(socket, name, _guarded_lookup(getattr(socket, name), allowed))
    try:
        yield
    finally:
        for owner, name, was_its_own, original in reversed(patched):
            if was_its_own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)


class _Allowed:
    """Hosts that may be reached."""

    def __init__(self, hosts: Iterable[str]) -> None:
        listed = [hosts] if isinstance(hosts, str) else list(hosts)
        if "localhost" in listed:
            listed += _LOOPBACK
        self._names = set(listed)
        self._networks = [ip_network(host, strict=False) for host in listed if _is_network(host)]

    def check(self, host: object, *, doing: str) -> None:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name in self._names or self._holds(name):
            return
        raise NoNetworkError(
            f"This test has no network, and {doing}. Give it a stand-in, or allow the host: "
            f"no_network(allow=[{name!r}]) or @pytest.mark.penstock_network({name!r})."
        )

    def _holds(self, name: str) -> bool:
        try:
            address = ip_address(name.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def learn(self, found: Iterable[object]) -> None:
        """Allow the addresses of a name that is allowed."""
        self._names.update(str(each) for each in found)


def _is_network(host: str) -> bool:
    try:
        ip_network(host, strict=False)
    except ValueError:
        return False
    return True


def _guarded_method(method: Callable[..., object], allowed: _Allowed) -> Callable[..., object]:
    def guard(self: socket.socket, *args: Any) -> object:
        address = args[-1]
        if isinstance(address, tuple):  # of AF_UNIX and others it is no tuple
            host, port = address[:2]
            allowed.check(host, doing=f"it tried to reach {host}, port {port}")
        return method(self, *args)

    return guard


def _guarded_lookup(function: Callable[..., object], allowed: _Allowed) -> Callable[..., object]:
    def guard(host: object, *args: Any, **kwargs: Any) -> object:
        if host not in (None, "", b""):  # this machine's own addresses
            allowed.check(host, doing=f"it looked up the address of {host}")
        found = function(host, *args, **kwargs)
        if function.__name__ == "getaddrinfo":
            allowed.learn(each[4][0] for each in found)  # type: ignore[attr-defined]
        return found

    return guard
