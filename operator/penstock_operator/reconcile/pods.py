"""The pod of one attempt: templates merged, and around them what Penstock needs to be so."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from penstock_operator.model.flowrun import FlowRun
from penstock_operator.model.pods import SETTINGS
from penstock_operator.model.schema import JsonObject
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile.code import Code
from penstock_operator.reconcile.names import (
    ATTEMPT_LABEL,
    FLOW_CONTAINER,
    FLOW_LABEL,
    MANAGED_BY,
    POOL_LABEL,
    RUN_LABEL,
    RUNNER_ACCOUNT,
)
from penstock_operator.reconcile.stores import (
    store_credentials,
    store_environment,
    store_mounts,
    store_volumes,
)
from penstock_operator.reconcile.templates import merged
from penstock_operator.reconcile.wire import child, children, number, text

CREDENTIALS_PATH = "/var/run/secrets/penstock.dev/serviceaccount"
SNAPSHOT_PATH = "/var/run/penstock/flow"
NODE_LOSS_TOLERANCE = 5
"""Seconds that a pod stays on a node which counts as lost: the node's monitor has waited for some
forty before, and a run is to go on ten seconds later, its next pod's start included."""
_SCRATCH = "/tmp"  # noqa: S108  # in the pod, where it is an empty volume of its own
_CLOSED: JsonObject = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True, slots=True)
class Launch:
    """One attempt of a run, with all that its Job depends on."""

    run: FlowRun
    attempt: int
    code: Code
    pool: WorkPool
    image: str
    journals_are_full: bool = False
    """Whether the run is to store no more results in etcd."""
    job_labels: Mapping[str, str] = field(default_factory=dict)
    """What the Job is labelled with for the sake of others."""


def launch_labels(launch: Launch) -> JsonObject:
    """Label what belongs to one attempt."""
    return {
        **MANAGED_BY,
        FLOW_LABEL: launch.code.flow,
        RUN_LABEL: launch.run.metadata.name,
        POOL_LABEL: launch.pool.metadata.name,
        ATTEMPT_LABEL: str(launch.attempt),
    }


def pod_template(launch: Launch) -> JsonObject:
    """Merge defaults ← pool ← flow ← what Penstock needs to be so."""
    spec = _defaults(launch)
    labels: JsonObject = {}
    annotations: JsonObject = {"kubectl.kubernetes.io/default-container": FLOW_CONTAINER}
    for template in (launch.pool.spec.pod_template, launch.code.settings.pod_template):
        if template is not None:
            labels.update(template.metadata.labels or {})
            annotations.update(template.metadata.annotations or {})
    if launch.pool.spec.pod_template is not None:
        spec = merged(spec, over=launch.pool.spec.pod_template.spec)
    if launch.code.settings.pod_template is not None:
        spec = merged(spec, over=_confined(launch.code.settings.pod_template.spec))
    spec = merged(spec, over=_flow_settings(launch))
    metadata: JsonObject = {
        "labels": {**labels, **launch_labels(launch)},
        "annotations": annotations,
    }
    return {"metadata": metadata, "spec": _with_own(spec, launch=launch)}


def _defaults(launch: Launch) -> JsonObject:
    """What the pool's template may change, and, within its bounds, the flow's."""
    return {
        "serviceAccountName": RUNNER_ACCOUNT,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [
            _leaves_soon("node.kubernetes.io/not-ready"),
            _leaves_soon("node.kubernetes.io/unreachable"),
        ],
        "containers": [
            {
                "name": FLOW_CONTAINER,
                "image": launch.image,
                "securityContext": {**_CLOSED, "readOnlyRootFilesystem": True},
                "env": [{"name": "HOME", "value": _SCRATCH}],
                "volumeMounts": [{"name": "penstock-tmp", "mountPath": _SCRATCH}],
            }
        ],
        "volumes": [{"name": "penstock-tmp", "emptyDir": {}}],
    }


def _leaves_soon(taint: str) -> JsonObject:
    return {
        "key": taint,
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": NODE_LOSS_TOLERANCE,
    }


def _confined(spec: JsonObject) -> JsonObject:
    """Give a flow's own sidecars what pod security `restricted` demands of each container."""
    result = dict(spec)
    for group in ("containers", "initContainers"):
        containers: list[JsonValue] = []
        for each in children(spec, group):
            context = merged(child(each, "securityContext"), over=_CLOSED)
            is_flow = group == "containers" and text(each, "name") == FLOW_CONTAINER
            containers.append(each if is_flow else {**each, "securityContext": context})
        if containers:
            result[group] = containers
    return result


def _flow_settings(launch: Launch) -> JsonObject:
    """What a Flow sets outside its template, for the container `flow`."""
    container: JsonObject = {"name": FLOW_CONTAINER}
    if launch.code.settings.env:
        container["env"] = [each.to_wire() for each in launch.code.settings.env]
    if launch.code.settings.resources is not None:
        container["resources"] = launch.code.settings.resources.to_wire()
    return {"containers": [container]}


def _with_own(spec: JsonObject, *, launch: Launch) -> JsonObject:
    containers = children(spec, "containers")
    flow = next(each for each in containers if text(each, "name") == FLOW_CONTAINER)
    others = [each for each in containers if text(each, "name") != FLOW_CONTAINER]
    grace = number(spec, "terminationGracePeriodSeconds", default=30)
    return {
        **spec,
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [_flow_container(flow, launch=launch, grace=grace), *others],
        "volumes": [
            *children(spec, "volumes"),
            _credentials(),
            _snapshot(launch.code),
            *store_volumes(launch.pool.spec.store),
        ],
    }


def _flow_container(container: JsonObject, *, launch: Launch, grace: int) -> JsonObject:
    theirs = [each for each in children(container, "env") if not _is_own(text(each, "name"))]
    store = launch.pool.spec.store
    env_from: list[JsonValue] = [*children(container, "envFrom"), *store_credentials(store)]
    return {
        **{name: value for name, value in container.items() if name != "args"},
        "image": launch.image,
        "command": ["python", "-m", "penstock.runner"],
        "env": [*theirs, *_environment(launch, grace=grace), *store_environment(store)],
        **({"envFrom": env_from} if env_from else {}),
        "volumeMounts": [
            *children(container, "volumeMounts"),
            {"name": "penstock-credentials", "mountPath": CREDENTIALS_PATH, "readOnly": True},
            {"name": "penstock-flow", "mountPath": SNAPSHOT_PATH, "readOnly": True},
            *store_mounts(store),
        ],
    }


def _is_own(variable: str) -> bool:
    return variable.startswith("PENSTOCK_") and variable not in SETTINGS


def _environment(launch: Launch, *, grace: int) -> list[JsonValue]:
    values = {
        "PENSTOCK_NAMESPACE": launch.run.metadata.namespace,
        "PENSTOCK_FLOW": launch.code.flow,
        "PENSTOCK_RUN": launch.run.metadata.name,
        "PENSTOCK_ATTEMPT": str(launch.attempt),
        "PENSTOCK_GRACE_SECONDS": str(grace),
    }
    if launch.journals_are_full:
        values["PENSTOCK_JOURNALS_FULL"] = "true"
    paths = {"PENSTOCK_POD_NAME": "metadata.name", "PENSTOCK_POD_UID": "metadata.uid"}
    given: list[JsonValue] = [{"name": name, "value": value} for name, value in values.items()]
    looked_up: list[JsonValue] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in paths.items()
    ]
    return [*given, *looked_up]


def _credentials() -> JsonObject:
    return {
        "name": "penstock-credentials",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
                {
                    "configMap": {
                        "name": "kube-root-ca.crt",
                        "items": [{"key": "ca.crt", "path": "ca.crt"}],
                    }
                },
                {
                    "downwardAPI": {
                        "items": [
                            {
                                "path": "namespace",
                                "fieldRef": {"fieldPath": "metadata.namespace"},
                            }
                        ]
                    }
                },
            ]
        },
    }


def _snapshot(code: Code) -> JsonObject:
    files: list[JsonValue] = [
        {"key": key, "path": f"src/{path}"} for key, path in code.paths.items()
    ]
    return {
        "name": "penstock-flow",
        "configMap": {
            "name": code.snapshot,
            "items": [{"key": "launch.json", "path": "launch.json"}, *files],
        },
    }
