"""A node: a kubelet with a containerd, a pod network and control groups of its own."""

from __future__ import annotations

import json
from pathlib import Path

from cluster import cgroups, dns, images, pause, processes
from cluster.api import Api
from cluster.errors import DevclusterError
from cluster.layout import Node
from cluster.shell import run, succeeds

PLUGINS = Path("/usr/lib/cni")


def start(node: Node, *, binaries: Path) -> None:
    """Start the node's containerd and then its kubelet, which gives up without one."""
    node.home.mkdir(exist_ok=True)
    cgroups.create(node)
    _write_network(node)
    _start_containerd(node)
    images.load_pause(node)
    command: list[str | Path] = [
        binaries / "kubelet",
        f"--kubeconfig={node.layout.pki / (node.name + '.kubeconfig')}",
        f"--config={_write_kubelet(node)}",
        f"--root-dir={node.home / 'kubelet'}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
    ]
    processes.start(node.layout, f"{node.name}-kubelet", command, sandboxed=True)


def _start_containerd(node: Node) -> None:
    component = f"{node.name}-containerd"
    command: list[str | Path] = ["containerd", "--config", _write_containerd(node)]
    processes.start(node.layout, component, command, sandboxed=True)
    answers = [*images.ctr(node), "--connect-timeout", "1s", "version"]
    processes.wait_until(
        lambda: succeeds(*answers) or not processes.running(node.layout, component), seconds=30
    )
    if not succeeds(*answers):
        raise DevclusterError(
            f"containerd of {node.name} does not answer; see"
            f" `devcluster/devcluster logs {component} --name {node.layout.name}`."
        )


def _write_network(node: Node) -> None:
    """Join each pod to the namespace by a cable of its own.

    Every packet is routed then, so that Services work without br_netfilter, a kernel module that a
    bridge would need.
    """
    cable = {
        "type": "ptp",
        "ipam": {
            "type": "host-local",
            "dataDir": str(node.home / "addresses"),
            "ranges": [[{"subnet": node.pod_subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    port_map = {"type": "portmap", "capabilities": {"portMappings": True}}
    folder = node.home / "cni"
    folder.mkdir(exist_ok=True)
    config = {"cniVersion": "0.4.0", "name": node.name, "plugins": [cable, port_map]}
    (folder / "10-pods.conflist").write_text(json.dumps(config))


def _write_containerd(node: Node) -> Path:
    """Write containerd's settings; the machine may lack the capability to lower OOM scores."""
    path = node.home / "containerd.toml"
    path.write_text(
        f"""version = 2
root = "{node.home}/containerd"
state = "{node.home}/run"
[grpc]
  address = "{node.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{node.home}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{pause.REFERENCE}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{_snapshotter(node)}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{node.home}/cni"
"""
    )
    return path


def _snapshotter(node: Node) -> str:
    """Choose how layers become a file system; in a container, overlays cannot be laid on one."""
    kind = run("findmnt", "--noheadings", "--output", "FSTYPE", "--target", node.home).strip()
    return "native" if kind == "overlay" else "overlayfs"


def _write_kubelet(node: Node) -> Path:
    pki = node.layout.pki
    path = node.home / "kubelet.json"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "authentication": {
                    "anonymous": {"enabled": False},
                    "webhook": {"enabled": True},
                    "x509": {"clientCAFile": str(pki / "ca.crt")},
                },
                "authorization": {"mode": "Webhook"},
                "tlsCertFile": str(pki / f"{node.name}.crt"),
                "tlsPrivateKeyFile": str(pki / f"{node.name}.key"),
                "port": node.kubelet_port,
                "healthzPort": node.health_port,
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": f"/{node.cgroup}",
                "failCgroupV1": False,
                "failSwapOn": False,
                "oomScoreAdj": 0,
                "clusterDNS": [dns.ADDRESS],
                "clusterDomain": "cluster.local",
                "resolvConf": "",
                "volumePluginDir": str(node.home / "volume-plugins"),
                "containerRuntimeEndpoint": f"unix://{node.socket}",
                # A full disk of the machine is no reason to evict pods of a development cluster.
                "evictionHard": {
                    "memory.available": "100Mi",
                    "nodefs.available": "0%",
                    "nodefs.inodesFree": "0%",
                    "imagefs.available": "0%",
                },
                "imageGCHighThresholdPercent": 100,
            }
        )
    )
    return path


def wait_until_ready(node: Node) -> None:
    api = Api(node.layout)
    if not processes.wait_until(lambda: api.node_ready(node.name), seconds=60):
        raise DevclusterError(
            f"Node {node.name} did not become Ready; see"
            f" `devcluster/devcluster logs {node.name}-kubelet --name {node.layout.name}`."
        )
    # What `kubectl get nodes` shows as its role; a kubelet may not say so itself.
    labels = {"node-role.kubernetes.io/worker": ""}
    api.merge(f"/api/v1/nodes/{node.name}", {"metadata": {"labels": labels}})
