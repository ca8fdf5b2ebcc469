"""A node: a kubelet with a containerd, a pod network and control groups of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from cluster import cgroups, images, processes
from cluster.control_plane import DNS_ADDRESS
from cluster.errors import DevclusterError
from cluster.layout import Node
from cluster.shell import run, succeeds

PLUGINS = Path("/usr/lib/cni")


def start(node: Node, *, binaries: Path) -> None:
    """Start the node's containerd and then its kubelet, which gives up without one."""
    node.home.mkdir(parents=True, exist_ok=True)
    cgroups.create(node)
    _write_network(node)
    containerd = f"{node.name}-containerd"
    processes.start(node.layout, containerd, ["containerd", "--config", _write_containerd(node)])
    if not processes.wait_until(lambda: succeeds(*images.ctr(node), "version"), seconds=30):
        raise DevclusterError(
            f"containerd of {node.name} does not answer; see `devcluster/devcluster logs {containerd} --name {node.layout.name}`."
        )
    images.load_pause(node)
    processes.start(
        node.layout,
        f"{node.name}-kubelet",
        [
            binaries / "kubelet",
            f"--kubeconfig={node.layout.pki / (node.name + '.kubeconfig')}",
            f"--config={_write_kubelet(node)}",
            f"--root-dir={node.home / 'kubelet'}",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
        ],
    )


def _write_network(node: Node) -> None:
    bridge = {
        "type": "bridge",
        "bridge": node.bridge,
        "isGateway": True,
        "hairpinMode": True,
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
    config = {"cniVersion": "0.4.0", "name": node.bridge, "plugins": [bridge, port_map]}
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
  netns_mounts_under_state_dir = true
  sandbox_image = "{images.PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{node.home}/cni"
"""
    )
    return path


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
                "clusterDNS": [DNS_ADDRESS],
                "clusterDomain": "cluster.local",
                "resolvConf": "",
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


def label_role(node: Node, *, binaries: Path) -> None:
    """Give the node the label by which `kubectl get nodes` shows that it is a worker."""
    subprocess.run(
        [
            str(binaries / "kubectl"),
            "--kubeconfig",
            str(node.layout.kubeconfig),
            "label",
            "node",
            node.name,
            "node-role.kubernetes.io/worker=",
            "--overwrite",
        ],
        capture_output=True,
        check=False,
    )


def unmount_all(home: Path) -> None:
    """Unmount whatever containers and volumes left below a folder, the deepest first."""
    prefix = f"{home}/"
    for _ in range(5):
        table = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split()[4].replace("\\040", " ") for line in table]
        below = sorted(
            (point for point in points if point.startswith(prefix)), key=len, reverse=True
        )
        if not below:
            return
        for point in below:
            succeeds("umount", "--lazy", point)


__all__ = ["PLUGINS", "label_role", "run", "start", "unmount_all"]
