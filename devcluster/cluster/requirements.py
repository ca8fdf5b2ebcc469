"""What must be true of the machine before a cluster can start."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from cluster.errors import DevclusterError
from cluster.layout import STATE_ROOT

CGROUPS = Path("/sys/fs/cgroup")
_NODE_DISK = 3 * 2**30
_NEEDED_CONTROLLERS = ("cpu", "memory", "pids", "cpuset")


def check(*, nodes: int) -> None:
    """Raise a sentence with its mend for the first thing that is missing."""
    if platform.system() != "Linux":
        raise DevclusterError(
            "The development cluster runs on Linux only; elsewhere, use kind or set KUBE_CONTEXT."
        )
    check_root()
    if nodes:
        _check_cgroups()
        _check_disk()


def check_root() -> None:
    if os.geteuid() != 0:
        raise DevclusterError(
            "The development cluster needs root for its network namespace; run this with sudo."
        )


def _check_cgroups() -> None:
    missing = [name for name in _NEEDED_CONTROLLERS if not _has_controller(name)]
    if missing:
        raise DevclusterError(
            f"The cgroup controllers {', '.join(missing)} are not mounted below {CGROUPS}; mount"
            " them, or run on a machine whose containers may make cgroups (a privileged one)."
        )
    if not os.access(CGROUPS / ("" if unified() else "memory"), os.W_OK):
        raise DevclusterError(
            f"{CGROUPS} is read-only; run this outside of the container, or in a privileged one."
        )


def unified() -> bool:
    """Whether the machine uses cgroup v2 alone."""
    return (CGROUPS / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """The one of v2, or those of v1; where both are mounted, `unified` stands among the latter."""
    if unified():
        return [CGROUPS]
    return sorted(path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink())


def _has_controller(name: str) -> bool:
    if unified():
        return name in (CGROUPS / "cgroup.controllers").read_text().split()
    return (CGROUPS / name / "cgroup.procs").exists()


def _check_disk() -> None:
    folder = STATE_ROOT if STATE_ROOT.exists() else STATE_ROOT.parent
    free = shutil.disk_usage(folder).free
    if free < _NODE_DISK:
        raise DevclusterError(
            f"A node needs {_NODE_DISK // 2**30} GiB free in {folder}, and"
            f" {free / 2**30:.1f} GiB are; free some."
        )
