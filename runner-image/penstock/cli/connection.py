"""Which cluster and namespace are meant: by option, by KUBECONFIG, or the one we run in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.cli.cluster import Cluster
from penstock.cli.errors import CommandError

IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the options --namespace, --context and --kubeconfig say."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    def narrowed_by(self, other: Target) -> Target:
        """Return the target with the other's options before these."""
        return Target(
            namespace=other.namespace or self.namespace,
            context=other.context or self.context,
            kubeconfig=other.kubeconfig or self.kubeconfig,
        )

    @property
    def is_named(self) -> bool:
        """Tell whether any option was given."""
        return any((self.namespace, self.context, self.kubeconfig))


def connect(target: Target) -> Cluster:
    """Return the cluster that is meant; nothing is sent to it yet."""
    path = target.kubeconfig or os.environ.get("KUBECONFIG")
    default = Path.home() / ".kube" / "config"
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    if not path and not target.context and in_cluster and not default.exists():
        return _connect_in_cluster(target)
    return _connect_by_kubeconfig(path or str(default), target=target)


def _connect_by_kubeconfig(path: str, *, target: Target) -> Cluster:
    from kubernetes.config import load_kube_config

    context = _context(path, name=target.context)
    configuration = _configuration()
    try:
        load_kube_config(path, context=context["name"], client_configuration=configuration)
    except Exception as error:
        raise CommandError(
            f"The context {context['name']} of {path} cannot be used: {error}. "
            f"Mend it; `kubectl --context {context['name']} get nodes` meets the same."
        ) from error
    namespace = target.namespace or context["context"].get("namespace") or "default"
    return Cluster(configuration, namespace=namespace)


def _context(path: str, *, name: str | None) -> dict[str, Any]:
    config = _read_config(path)
    contexts = {node.value["name"]: node.value for node in config.get("contexts", ())}
    wanted = name or config.get("current-context")
    if wanted in contexts:
        return {"context": {}, **contexts[wanted]}
    if not contexts:
        raise CommandError(f"{path} has no contexts; name another kubeconfig by --kubeconfig.")
    fault = f"has no context {wanted!r}" if wanted else "has no current context"
    raise CommandError(f"{path} {fault}; choose one by --context: {', '.join(sorted(contexts))}.")


def _read_config(path: str) -> dict[str, Any]:
    """Return all files of the path as one; the package's own listing insists on a current one."""
    from kubernetes.config.kube_config import KubeConfigMerger

    if not any(Path(part).expanduser().exists() for part in path.split(os.pathsep) if part):
        raise CommandError(
            f"No cluster is configured: there is no {path}. Name a kubeconfig by --kubeconfig or "
            "KUBECONFIG. On this machine: penstock run FILE:FLOW runs a flow, penstock runs lists "
            "runs, and commands that have --here take one of them."
        )
    try:
        return dict(KubeConfigMerger(path).config.value)
    except Exception as error:
        raise CommandError(
            f"The kubeconfig {path} cannot be used: {error}. "
            "Mend it, or name another by --kubeconfig or KUBECONFIG."
        ) from error


def _connect_in_cluster(target: Target) -> Cluster:
    from kubernetes.config import ConfigException, load_incluster_config

    configuration = _configuration()
    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException as error:
        raise CommandError(
            f"This pod's service account cannot be used ({error}); set "
            "automountServiceAccountToken: true on the pod, or set KUBECONFIG."
        ) from error
    namespace = target.namespace or IN_CLUSTER_NAMESPACE.read_text().strip()
    return Cluster(configuration, namespace=namespace)


def _configuration() -> Any:
    from kubernetes.client.configuration import Configuration

    return Configuration()
