"""The cluster's own control groups, one below another in each hierarchy; the machine's stay as they are."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from cluster.layout import Layout, Node
from cluster.processes import signal_all, wait_until
from cluster.requirements import CGROUPS, controllers, unified


def create(node: Node) -> None:
    """Make the node's group; in v1 a cpuset is unusable until it is filled from its parent."""
    for controller in controllers():
        group = controller
        for part in Path(node.cgroup).parts:
            parent, group = group, group / part
            group.mkdir(exist_ok=True)
            if controller.name == "cpuset" and not unified():
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (group / file).write_text((parent / file).read_text())


def kill_all(layout: Layout) -> None:
    """Kill every process of the cluster's containers."""
    wait_until(lambda: not _kill(layout), seconds=10)


def delete(layout: Layout) -> None:
    """Remove the groups from the leaves up; a dying process may hold one for a moment."""
    wait_until(lambda: all([_remove(root) for root in _roots(layout)]), seconds=5)


def _kill(layout: Layout) -> bool:
    pids: set[int] = set()
    for root in _roots(layout):
        for folder, _, _ in os.walk(root):
            try:
                pids.update(
                    int(line) for line in (Path(folder) / "cgroup.procs").read_text().split()
                )
            except OSError:
                continue
    signal_all(sorted(pids), signal.SIGKILL)
    return bool(pids)


def _roots(layout: Layout) -> list[Path]:
    if not CGROUPS.is_dir():
        return []
    return [root for controller in controllers() if (root := controller / layout.cgroup).is_dir()]


def _remove(root: Path) -> bool:
    for folder, _, _ in os.walk(root, topdown=False):
        try:
            Path(folder).rmdir()
        except OSError:
            return False
    return True
