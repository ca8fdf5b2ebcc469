"""Brings a cluster up, tells how it is, and takes it down without a trace."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from cluster import (
    cgroups,
    control_plane,
    network,
    nodes,
    packages,
    pki,
    processes,
    requirements,
    toolchain,
)
from cluster.errors import DevclusterError
from cluster.layout import STATE_ROOT, Layout, exclusive, names, reserve, saved
from cluster.output import say, step


def up(name: str, *, node_count: int, api_only: bool) -> Layout:
    """Bring a cluster up, or find that it is; what an interruption leaves behind is cleared."""
    requirements.check(api_only=api_only)
    packages.ensure(packages.needed(api_only=api_only))
    binaries = toolchain.built()
    wanted = 0 if api_only else node_count
    with exclusive(f"cluster-{name}"):
        present = saved(name)
        if present and present.nodes == wanted and healthy(present):
            return present
        if present and _living(present) and present.nodes != wanted:
            raise DevclusterError(
                f"Cluster {name} is up with {present.nodes} nodes; take it down first: devcluster/devcluster down --name {name}."
            )
        _clear(name)
        layout = reserve(name, nodes=wanted)
        with _cleared_when_interrupted(layout):
            _start(layout, binaries=binaries)
        return layout


def down(name: str) -> None:
    """Leave no process, mount, namespace, interface, control group or file of a cluster."""
    with exclusive(f"cluster-{name}"):
        _clear(name)


def healthy(layout: Layout) -> bool:
    parts = processes.components(layout)
    if not parts or not all(processes.running(layout, part) for part in parts):
        return False
    api = control_plane.Api(layout)
    return api.ready() and all(api.node_ready(node.name) for node in layout.all_nodes())


def state(layout: Layout) -> dict[str, Any]:
    """What `status -o json` prints: enough to find, watch and disturb every part."""
    return {
        "name": layout.name,
        "healthy": healthy(layout),
        "server": layout.api_url,
        "kubeconfig": str(layout.kubeconfig),
        "auditLog": str(layout.audit_log),
        "networkNamespace": layout.netns,
        "cgroup": layout.cgroup,
        "processes": {part: processes.pid(layout, part) for part in processes.components(layout)},
        "nodes": [
            {
                "name": node.name,
                "address": node.address,
                "containerd": str(node.socket),
                "kubelet": processes.pid(layout, f"{node.name}-kubelet"),
            }
            for node in layout.all_nodes()
        ],
    }


def _start(layout: Layout, *, binaries: Path) -> None:
    kind = (
        "API server"
        if not layout.nodes
        else f"cluster of {layout.nodes} node{'s' * (layout.nodes > 1)}"
    )
    with step(f"Starting {layout.name}: {kind}"):
        network.create(layout)
        pki.create(layout, api_only=not layout.nodes)
        control_plane.start_api(layout, binaries=binaries)
        if layout.nodes:
            control_plane.start_controllers(layout, binaries=binaries)
            for node in layout.all_nodes():
                nodes.start(node, binaries=binaries)
            _wait_for_nodes(layout)
            for node in layout.all_nodes():
                nodes.label_role(node, binaries=binaries)


def _wait_for_nodes(layout: Layout) -> None:
    api = control_plane.Api(layout)
    for node in layout.all_nodes():
        if not processes.wait_until(lambda: api.node_ready(node.name), seconds=60):  # noqa: B023 - called at once
            raise DevclusterError(
                f"Node {node.name} did not become Ready; see `devcluster/devcluster logs {node.name}-kubelet --name {layout.name}`."
            )


@contextmanager
def _cleared_when_interrupted(layout: Layout) -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        say(f"Interrupted; removing cluster {layout.name}.")
        _clear(layout.name)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _living(layout: Layout) -> bool:
    return any(processes.running(layout, part) for part in processes.components(layout))


def _clear(name: str) -> None:
    """Remove what there is of a cluster, however it came to be; a machine that died leaves files only."""
    folder = STATE_ROOT / name
    if not folder.is_dir():
        return
    layout = saved(name) or Layout(name=name, index=-1, nodes=0)
    processes.stop_all(layout)
    cgroups.kill_all(layout)
    processes.signal_all(processes.netns_pids(layout), signal.SIGKILL)
    nodes.unmount_all(folder)
    network.delete(layout)
    cgroups.delete(layout)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        nodes.unmount_all(folder)
        shutil.rmtree(folder)
    if not names():
        shutil.rmtree(STATE_ROOT, ignore_errors=True)
