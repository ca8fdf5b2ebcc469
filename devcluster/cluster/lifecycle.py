"""Brings a cluster up, tells how it is, and takes it down without a trace."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
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
    sandbox,
    toolchain,
)
from cluster.api import Api
from cluster.errors import DevclusterError
from cluster.layout import Layout, forget, reserve, saved
from cluster.locks import exclusive
from cluster.output import say, step

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(name: str, *, node_count: int) -> Layout:
    """Bring a cluster up, mend one that is damaged, or find that it is up.

    No nodes mean etcd and the API server alone. What a broken-off start or a dead machine has left
    is cleared first.
    """
    requirements.check(nodes=node_count)
    packages.ensure(packages.needed(nodes=node_count))
    binaries = toolchain.built()
    with _alone(name):
        present = saved(name)
        if present and _living(present):
            return _mend(present, node_count=node_count, binaries=binaries)
        _clear(name)
        with _cleared_when_interrupted(name):
            layout = reserve(name, nodes=node_count)
            _start(layout, binaries=binaries)
            layout.complete.touch()
        return layout


def down(name: str) -> None:
    """Leave no process, mount, namespace, interface, control group or file of a cluster."""
    requirements.check_root()
    with _alone(name):
        _clear(name)


def healthy(layout: Layout) -> bool:
    parts = processes.components(layout)
    if not parts or not all(processes.running(layout, part) for part in parts):
        return False
    api = Api(layout)
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


def _mend(present: Layout, *, node_count: int, binaries: Path) -> Layout:
    """Start again what has died, and add the node that is wanted now."""
    if node_count and not present.nodes:
        raise DevclusterError(
            f"Cluster {present.name} is up without nodes, and none can be added; take it down"
            f" first: devcluster/devcluster down --name {present.name}."
        )
    layout = replace(present, nodes=max(node_count, present.nodes))
    if not healthy(layout):
        _start(layout, binaries=binaries)
        layout.save()
    return layout


def _start(layout: Layout, *, binaries: Path) -> None:
    """Start all that is not running."""
    what = {0: "API server", 1: "one node", 2: "two nodes"}[layout.nodes]
    with step(f"Starting cluster {layout.name} ({what})"):
        network.create(layout)
        pki.create(layout)
        control_plane.start_api(layout, binaries=binaries)
        if layout.nodes:
            sandbox.start(layout)
            control_plane.start_controllers(layout, binaries=binaries)
            for node in layout.all_nodes():
                nodes.start(node, binaries=binaries)
            for node in layout.all_nodes():
                nodes.wait_until_ready(node)


def _living(layout: Layout) -> bool:
    """Tell whether enough is left of a cluster, which once was complete, to mend it."""
    parts = processes.components(layout)
    some_run = any(processes.running(layout, part) for part in parts)
    return layout.complete.exists() and some_run and network.stands(layout)


def _clear(name: str) -> None:
    """Remove what there is of a cluster, however it came to be and whatever its files say."""
    layout = saved(name) or Layout(name=name, index=0, nodes=0)
    processes.kill_all(layout, others=lambda: cgroups.processes(layout))
    network.delete(layout)
    cgroups.delete(layout)
    sandbox.unmount(layout)
    forget(layout)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let one command at a time change a cluster."""
    lock = Layout(name=name, index=0, nodes=0).lock
    with exclusive(lock, what=f"works on cluster {name}"):
        yield


@contextmanager
def _cleared_when_interrupted(name: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        for number in INTERRUPTS:
            signal.signal(number, signal.SIG_IGN)
        say(f"Interrupted; removing cluster {name}.")
        _clear(name)
        raise
