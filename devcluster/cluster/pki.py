"""Keys, certificates and kubeconfigs of one cluster, signed by an authority of its own."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from cluster.layout import Layout
from cluster.shell import run

_DAYS = "3650"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"


@dataclass(frozen=True, slots=True)
class Identity:
    """A client or server certificate; the subject's O is the Kubernetes group."""

    name: str
    subject: str
    addresses: tuple[str, ...] = ()


def create(layout: Layout) -> None:
    """Make everything that is missing; what is there stays."""
    layout.pki.chmod(0o700)
    pki = layout.pki
    if not (pki / "ca.crt").exists():
        _key(pki / "ca.key")
        files = ("-key", pki / "ca.key", "-out", pki / "ca.crt")
        subject = "/CN=penstock-devcluster"
        run("openssl", "req", "-x509", "-new", *files, "-days", _DAYS, "-subj", subject)
        _key(pki / "sa.key")
    for identity in _identities(layout):
        if not (pki / f"{identity.name}.crt").exists():
            _issue(pki, identity)
    _write_kubeconfig(layout, "admin", layout.kubeconfig)
    if layout.nodes:
        users = [
            "controllers",
            "scheduler",
            "proxy",
            "dns",
            *(node.name for node in layout.all_nodes()),
        ]
        for user in users:
            _write_kubeconfig(layout, user, pki / f"{user}.kubeconfig")


def _identities(layout: Layout) -> list[Identity]:
    api = Identity(
        name="apiserver",
        subject="/CN=kube-apiserver",
        addresses=(
            f"IP:{layout.api_address}",
            f"IP:{API_SERVICE_ADDRESS}",
            "IP:127.0.0.1",
            "DNS:localhost",
            "DNS:kubernetes.default.svc",
            "DNS:kubernetes.default.svc.cluster.local",
            "DNS:kubernetes.default",
        ),
    )
    identities = [api, Identity(name="admin", subject="/O=system:masters/CN=admin")]
    if not layout.nodes:
        return identities
    nodes = [
        Identity(node.name, f"/O=system:nodes/CN=system:node:{node.name}", (f"IP:{node.address}",))
        for node in layout.all_nodes()
    ]
    return [
        *identities,
        Identity(
            name="kubelet-client", subject="/O=system:masters/CN=kube-apiserver-kubelet-client"
        ),
        Identity(name="controllers", subject="/CN=system:kube-controller-manager"),
        Identity(name="scheduler", subject="/CN=system:kube-scheduler"),
        Identity(name="proxy", subject="/CN=system:kube-proxy"),
        Identity(name="dns", subject="/CN=system:coredns"),
        *nodes,
    ]


def _key(path: Path) -> None:
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)


def _issue(pki: Path, identity: Identity) -> None:
    key, request, extensions = (pki / f"{identity.name}.{end}" for end in ("key", "csr", "ext"))
    _key(key)
    run("openssl", "req", "-new", "-key", key, "-out", request, "-subj", identity.subject)
    lines = ["extendedKeyUsage=clientAuth,serverAuth"]
    if identity.addresses:
        lines.append("subjectAltName=" + ",".join(identity.addresses))
    extensions.write_text("\n".join(lines))
    run(
        *(
            "openssl",
            "x509",
            "-req",
            "-in",
            request,
            "-CA",
            pki / "ca.crt",
            "-CAkey",
            pki / "ca.key",
            "-CAcreateserial",
        ),
        *("-out", pki / f"{identity.name}.crt", "-days", _DAYS, "-extfile", extensions),
    )


def _write_kubeconfig(layout: Layout, user: str, path: Path) -> None:
    context = f"devcluster-{layout.name}"
    cluster = {
        "server": layout.api_url,
        "certificate-authority-data": _encoded(layout.pki / "ca.crt"),
    }
    credentials = {
        "client-certificate-data": _encoded(layout.pki / f"{user}.crt"),
        "client-key-data": _encoded(layout.pki / f"{user}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }
    path.write_text(json.dumps(config, indent=1))
    path.chmod(0o600)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
