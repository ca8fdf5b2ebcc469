"""DNS for pods and Services, as a process beside the others: a pod would need an image first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster import processes
from cluster.api import Api
from cluster.layout import Layout

ADDRESS = "10.96.0.10"


def start(layout: Layout, *, binaries: Path) -> None:
    """Start CoreDNS beside the other components, and make it known as a Service."""
    if processes.running(layout, "coredns"):
        return
    corefile = layout.state / "Corefile"
    corefile.write_text(
        f""".:53 {{
    bind {layout.api_address}
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {layout.pki / "dns.kubeconfig"}
        pods insecure
    }}
    cache 10
}}
"""
    )
    api = Api(layout)
    for path, manifest in _objects(layout):
        api.ensure(path, manifest)
    processes.start(layout, "coredns", [binaries / "coredns", "-conf", corefile])


def _objects(layout: Layout) -> list[tuple[str, dict[str, Any]]]:
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    meta = {"name": "kube-dns", "namespace": "kube-system"}
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    role = {
        "metadata": {"name": "system:coredns"},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["services", "pods", "namespaces", "endpoints"],
                "verbs": ["list", "watch"],
            },
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "verbs": ["list", "watch"],
            },
        ],
    }
    binding = {
        "metadata": {"name": "system:coredns"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:coredns",
        },
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}
        ],
    }
    service = {"metadata": meta, "spec": {"clusterIP": ADDRESS, "ports": ports}}
    slice_ = {
        "metadata": {**meta, "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [layout.api_address]}],
        "ports": ports,
    }
    return [
        (f"{rbac}/clusterroles", role),
        (f"{rbac}/clusterrolebindings", binding),
        ("/api/v1/namespaces/kube-system/services", service),
        ("/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", slice_),
    ]
