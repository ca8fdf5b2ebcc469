"""The objects that Penstock creates, as dict literals."""

from datetime import datetime
from typing import Literal

from penstock_operator.model.meta import ObjectMeta
from penstock_operator.model.schema import API_VERSION, JsonObject
from penstock_operator.reconcile.names import FLOW_CONTAINER, MANAGED_BY, QUEUE_LABEL, job_name
from penstock_operator.reconcile.pods import Launch, launch_labels, pod_template
from penstock_operator.reconcile.status import second


def job_manifest(launch: Launch) -> JsonObject:
    """Write the Job of one attempt."""
    metadata = launch.run.metadata
    settings = launch.pool.spec.job
    labels: JsonObject = {**(settings.labels or {}), **launch.job_labels, **launch_labels(launch)}
    spec: JsonObject = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": FLOW_CONTAINER,
                        "operator": "NotIn",
                        "values": [0],
                    },
                },
            ]
        },
        "ttlSecondsAfterFinished": settings.ttl_seconds_after_finished,
        "template": pod_template(launch),
    }
    if settings.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = settings.active_deadline_seconds
    if labels.get(QUEUE_LABEL):
        spec["suspend"] = True  # until Kueue lets it go
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(metadata.name, attempt=launch.attempt),
            "namespace": metadata.namespace,
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "FlowRun",
                    "name": metadata.name,
                    "uid": metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": spec,
    }


def service_account_manifest(name: str, *, namespace: str) -> JsonObject:
    """Write the ServiceAccount under which runs report. It mounts no token by itself."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace, "labels": {**MANAGED_BY}},
        "automountServiceAccountToken": False,
    }


def role_binding_manifest(name: str, *, namespace: str, account: str, role: str) -> JsonObject:
    """Write the RoleBinding that lets an account's pods report about their own runs."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace, "labels": {**MANAGED_BY}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


def event_manifest(
    about: ObjectMeta,
    *,
    kind: str,
    name: str,
    type_: Literal["Normal", "Warning"],
    reason: str,
    message: str,
    now: datetime,
) -> JsonObject:
    """Write an Event about one of Penstock's objects; its name makes it one."""
    moment = second(now).isoformat().replace("+00:00", "Z")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": about.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        },
        "type": type_,
        "reason": reason,
        "message": message,
        "source": {"component": "penstock-operator"},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
