"""etcd, the API server, the controllers, the scheduler, the service proxy and DNS."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from cluster import processes
from cluster.errors import DevclusterError
from cluster.layout import Layout
from cluster.pki import SERVICE_NETWORK

DNS_ADDRESS = "10.96.0.10"
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
    _start_dns(layout, binaries=binaries)


def _start_proxy(layout: Layout, *, binaries: Path) -> None:
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


def _start_dns(layout: Layout, *, binaries: Path) -> None:
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
    for path, manifest in _dns_objects(layout):
        api.create(path, manifest)
    processes.start(layout, "coredns", [binaries / "coredns", "-conf", corefile])


def _dns_objects(layout: Layout) -> list[tuple[str, dict[str, Any]]]:
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
    service = {"metadata": meta, "spec": {"clusterIP": DNS_ADDRESS, "ports": ports}}
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


class Api:
    """The few calls to the API server that bringing a cluster up takes."""

    def __init__(self, layout: Layout) -> None:
        self._url = layout.api_url
        self._tls = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        self._tls.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")

    def ready(self) -> bool:
        try:
            return bool(self._call("GET", "/readyz") == b"ok")
        except (OSError, urllib.error.HTTPError):
            return False

    def get(self, path: str) -> dict[str, Any]:
        return dict(json.loads(self._call("GET", path)))

    def create(self, path: str, manifest: dict[str, Any]) -> None:
        """Create an object; one that is there already is right."""
        try:
            self._call("POST", path, manifest)
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise DevclusterError(
                    f"The API server refused {path}: {error.read().decode()[:300]}"
                ) from error

    def merge(self, path: str, change: dict[str, Any]) -> None:
        self._call("PATCH", path, change, content="application/merge-patch+json")

    def node_ready(self, name: str) -> bool:
        try:
            conditions = self.get(f"/api/v1/nodes/{name}")["status"].get("conditions", [])
        except (OSError, urllib.error.HTTPError, KeyError):
            return False
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        content: str = "application/json",
    ) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - always our own https URL
            self._url + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": content},
        )
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls))
        with urllib.request.build_opener(*handlers).open(request, timeout=5) as answer:
            return bytes(answer.read())
