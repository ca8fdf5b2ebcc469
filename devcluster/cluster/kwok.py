"""Nodes whose pods only pretend to run, for more pods than the machine can hold.

kwok stands in for their kubelets: it keeps the nodes' leases, and says of each pod on them that it
runs. Nothing ends a pod but who plays its program. Controllers and scheduler are the real ones; at
their default limits they would make three Jobs' pods a second, and that would be all one measures.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cluster import processes, toolchain
from cluster.api import Api
from cluster.errors import DevclusterError
from cluster.layout import Layout
from cluster.output import step

_BINARY = toolchain.Binary(name="kwok", package="sigs.k8s.io/kwok/cmd/kwok", links=("kwok",))
_ANNOTATION, _LABEL = "kwok.x-k8s.io/node", "kubernetes.io/kwok"
_RATES = ("--kube-api-qps=500", "--kube-api-burst=1000")


def start(layout: Layout, *, count: int) -> None:
    """Add the nodes to a cluster that has an API server and no nodes of its own."""
    if layout.nodes:
        raise DevclusterError(
            f"Cluster {layout.name} has nodes; nodes that pretend go into one without:"
            f" devcluster/devcluster up --api-only --name NAME."
        )
    binaries = toolchain.built()
    kwok = toolchain.built_one(_BINARY)
    with step(f"Adding {count} nodes that pretend to {layout.name}"):
        _start_controllers(layout, binaries=binaries)
        _start_kwok(layout, kwok)
        api = Api(layout)
        for number in range(1, count + 1):
            _add_node(api, f"kwok-{number}")
        last = f"kwok-{count}"
        if not processes.wait_until(lambda: api.node_ready(last), seconds=60):
            raise DevclusterError(
                "The nodes do not become ready; see"
                f" `devcluster/devcluster logs kwok --name {layout.name}`."
            )


def _start_controllers(layout: Layout, *, binaries: Path) -> None:
    connection = (f"--kubeconfig={layout.kubeconfig}", "--leader-elect=false", *_RATES)
    processes.start(
        layout,
        "kube-controller-manager",
        [
            binaries / "kube-controller-manager",
            *connection,
            f"--service-account-private-key-file={layout.pki / 'sa.key'}",
            f"--root-ca-file={layout.pki / 'ca.crt'}",
            "--concurrent-job-syncs=20",
        ],
    )
    processes.start(layout, "kube-scheduler", [binaries / "kube-scheduler", *connection])


def _start_kwok(layout: Layout, kwok: Path) -> None:
    config = layout.state / "kwok.yaml"
    config.write_text("\n---\n".join(map(json.dumps, _stages())))
    command: list[str | Path] = [
        kwok,
        f"--kubeconfig={layout.kubeconfig}",
        f"--config={config}",
        f"--manage-nodes-with-annotation-selector={_ANNOTATION}=fake",
        "--cidr=10.245.0.0/16",
        f"--node-ip={layout.api_address}",
    ]
    processes.start(layout, "kwok", command)


def _stages() -> list[dict[str, Any]]:
    """A node is ready as soon as it is there; so runs a pod on it, until it is deleted."""
    ready = """\
capacity: &room {cpu: "64", memory: 256Gi, ephemeral-storage: 1Ti, pods: "250"}
allocatable: *room
conditions:
- type: Ready
  status: "True"
  reason: Pretends
  lastHeartbeatTime: {{ Now | Quote }}
  lastTransitionTime: {{ Now | Quote }}
"""
    runs = """\
phase: Running
startTime: {{ Now | Quote }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace | Quote }}
conditions:
{{ range list "Initialized" "Ready" "ContainersReady" }}
- {type: {{ . }}, status: "True", lastTransitionTime: {{ Now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  restartCount: 0
  state: {running: {startedAt: {{ Now | Quote }}}}
{{ end }}
"""
    deleted = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
    present = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
    unstarted = {"key": ".status.podIP", "operator": "DoesNotExist"}
    unknown = {"key": ".status.allocatable", "operator": "DoesNotExist"}
    return [
        _stage("Node", "ready", present, unknown, after={"statusTemplate": ready}),
        _stage("Pod", "runs", present, unstarted, after={"statusTemplate": runs}),
        _stage("Pod", "goes", deleted, after={"delete": True}),
    ]


def _stage(
    kind: str, word: str, *conditions: dict[str, str], after: dict[str, Any]
) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": f"{kind.lower()}-{word}"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": list(conditions)},
            "next": after,
        },
    }


def _add_node(api: Api, name: str) -> None:
    taint = {"key": _LABEL, "value": "true", "effect": "NoSchedule"}
    manifest = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {_ANNOTATION: "fake"},
            "labels": {_LABEL: "true", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
        },
        "spec": {"taints": [taint]},
    }
    api.ensure("/api/v1/nodes", manifest)
