"""The cluster's own control groups, one below another in each hierarchy of the machine."""

from __future__ import annotations

import os
from pathlib import Path

from cluster.errors import DevclusterError
from cluster.layout import Layout, Node
from cluster.processes import wait_until
from cluster.requirements import CGROUPS, hierarchies, unified


def create(node: Node) -> None:
    """Make the node's group in every hierarchy, with all that a kubelet looks for in it."""
    for hierarchy in hierarchies():
        group = hierarchy
        for part in Path(node.cgroup).parts:
            parent, group = group, group / part
            if unified():
                _hand_down(parent)
            group.mkdir(exist_ok=True)
            if hierarchy.name == "cpuset":
                _fill_cpuset(group, parent=parent)
        if unified():
            _hand_down(group)


def processes(layout: Layout) -> set[int]:
    """Return the processes of the cluster's containers."""
    found: set[int] = set()
    for root in _roots(layout):
        for folder, _, _ in os.walk(root):
            try:
                found.update(map(int, (Path(folder) / "cgroup.procs").read_text().split()))
            except OSError:
                continue
    return found


def delete(layout: Layout) -> None:
    """Remove the groups from the leaves up; a dying process may hold one for a moment."""
    wait_until(lambda: not [root for root in _roots(layout) if not _remove(root)], seconds=5)


def _fill_cpuset(group: Path, *, parent: Path) -> None:
    """Fill a v1 cpuset from its parent: an empty one takes no process."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        if not (group / file).read_text().strip():
            (group / file).write_text((parent / file).read_text())


def _hand_down(group: Path) -> None:
    """Let the groups below a v2 group have its controllers."""
    for controller in (group / "cgroup.controllers").read_text().split():
        try:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError as error:
            if controller not in ("cpu", "memory", "pids", "cpuset"):
                continue
            raise DevclusterError(
                f"The control group {group} cannot hand its {controller} controller down"
                f" ({error.strerror}); in a container, move its processes into a group below first,"
                " or give it the machine's control groups (docker run --cgroupns=host)."
            ) from error


def _roots(layout: Layout) -> list[Path]:
    if not CGROUPS.is_dir():
        return []
    return [root for hierarchy in hierarchies() if (root := hierarchy / layout.cgroup).is_dir()]


def _remove(root: Path) -> bool:
    for folder, _, _ in os.walk(root, topdown=False):
        try:
            Path(folder).rmdir()
        except OSError:
            return False
    return True
