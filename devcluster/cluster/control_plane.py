"""etcd, the API server, the controllers, the scheduler, the service proxy and DNS."""

from __future__ import annotations

import json
from pathlib import Path

from cluster import dns, processes
from cluster.api import Api
from cluster.errors import DevclusterError
from cluster.layout import Layout
from cluster.pki import SERVICE_NETWORK

_POD_NETWORK = "10.244.0.0/16"
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "Metadata",
            "verbs": ["create", "update", "patch", "delete", "deletecollection"],
            "resources": [{"group": group} for group in ("penstock.dev", "batch", "")],
        },
        {"level": "None"},
    ],
}


def start_api(layout: Layout, *, binaries: Path) -> None:
    """Start etcd and the API server, and wait until it serves."""
    peers = "http://127.0.0.1:2380"
    processes.start(
        layout,
        "etcd",
        [
            binaries / "etcd",
            f"--data-dir={layout.state / 'etcd'}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        ],
    )
    policy = layout.state / "audit-policy.json"
    policy.write_text(json.dumps(_AUDIT_POLICY))
    processes.start(
        layout, "kube-apiserver", _api_command(layout, binaries=binaries, policy=policy)
    )
    api = Api(layout)
    if not processes.wait_until(
        lambda: api.ready() or not processes.running(layout, "kube-apiserver"), seconds=60
    ):
        raise DevclusterError(
            "The API server did not become ready; see"
            f" `devcluster/devcluster logs kube-apiserver --name {layout.name}`."
        )
    if not processes.running(layout, "kube-apiserver"):
        tail = (layout.logs / "kube-apiserver.log").read_text()[-600:]
        raise DevclusterError(f"The API server ended as it started; its last words: {tail}")


def _api_command(layout: Layout, *, binaries: Path, policy: Path) -> list[str | Path]:
    pki = layout.pki
    command: list[str | Path] = [
        "env",
        "GOGC=300",  # a quarter less work to start, for 70 MB
        binaries / "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--secure-port=6443",
        f"--advertise-address={layout.api_address}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--service-account-key-file={pki / 'sa.key'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--allow-privileged",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={layout.audit_log}",
    ]
    if layout.nodes:
        command += [
            f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        ]
    return command


def start_controllers(layout: Layout, *, binaries: Path) -> None:
    """Start what turns objects into pods; all at their default rate limits."""
    pki = layout.pki
    processes.start(
        layout,
        "kube-controller-manager",
        [
            binaries / "kube-controller-manager",
            f"--kubeconfig={pki / 'controllers.kubeconfig'}",
            f"--service-account-private-key-file={pki / 'sa.key'}",
            f"--root-ca-file={pki / 'ca.crt'}",
            "--use-service-account-credentials",
            "--leader-elect=false",
        ],
    )
    processes.start(
        layout,
        "kube-scheduler",
        [
            binaries / "kube-scheduler",
            f"--kubeconfig={pki / 'scheduler.kubeconfig'}",
            "--leader-elect=false",
        ],
    )
    _start_proxy(layout, binaries=binaries)
    dns.start(layout, binaries=binaries)


def _start_proxy(layout: Layout, *, binaries: Path) -> None:
    if processes.running(layout, "kube-proxy"):
        return  # it ends when its settings are written again
    config = layout.state / "kube-proxy.json"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                "kind": "KubeProxyConfiguration",
                "clientConnection": {"kubeconfig": str(layout.pki / "proxy.kubeconfig")},
                "mode": "iptables",
                "clusterCIDR": _POD_NETWORK,
                "hostnameOverride": layout.node(1).name,
                # The machine may allow neither the conntrack settings nor a lower OOM score.
                "conntrack": {
                    "maxPerCore": 0,
                    "min": 0,
                    "tcpEstablishedTimeout": "0s",
                    "tcpCloseWaitTimeout": "0s",
                },
                "oomScoreAdj": 0,
            }
        )
    )
    command: list[str | Path] = [binaries / "kube-proxy", f"--config={config}"]
    processes.start(layout, "kube-proxy", command, sandboxed=True)
