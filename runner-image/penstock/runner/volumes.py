"""Which paths outlive the pod: a later one of the run has the volumes, and nothing else of this."""

from __future__ import annotations

from os.path import realpath
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_LOST = ("tmpfs", "overlay", "proc", "sysfs", "devtmpfs")
_EMPTY_DIR = "kubernetes.io~empty-dir"


def outlives_pod(path: str, *, mounts: str | None = None) -> bool:
    """Tell whether a volume is mounted there that the next pod has, too.

    ``mounts`` is the content of ``/proc/self/mountinfo``; see proc(5). In doubt it does.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text()
        except OSError:
            return True
    place = realpath(path)
    found: tuple[str, bool] = ("", True)
    for line in mounts.splitlines():
        root, point, *rest = line.split(" ")[3:]
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(found[0]):
            kind = rest[rest.index("-") + 1]
            found = point, point != "/" and kind not in _LOST and _EMPTY_DIR not in root
    return found[1]
