"""Snapshots that were read lately.

Every plan of a running run asks what the run started from, and a runner reports once a second. A
snapshot never changes, so it is read once; its name is the hash of its content.
"""

from __future__ import annotations

from collections import OrderedDict

from penstock_operator.kube.caches import Name
from penstock_operator.reconcile.views import ConfigMapView

_LIMIT_BYTES = 32 * 1024 * 1024


class SnapshotCache:
    """The snapshots used last, up to a total size."""

    def __init__(self, *, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._found: OrderedDict[Name, ConfigMapView] = OrderedDict()

    def get(self, name: Name) -> ConfigMapView | None:
        if name in self._found:
            self._found.move_to_end(name)
        return self._found.get(name)

    def put(self, name: Name, snapshot: ConfigMapView) -> None:
        self.forget(name)
        self._found[name] = snapshot
        self._bytes += _size(snapshot)
        while self._bytes > self._limit_bytes:
            _, oldest = self._found.popitem(last=False)
            self._bytes -= _size(oldest)

    def forget(self, name: Name) -> None:
        if known := self._found.pop(name, None):
            self._bytes -= _size(known)


def _size(snapshot: ConfigMapView) -> int:
    return sum(map(len, snapshot.data.values())) + sum(map(len, snapshot.binary.values()))
