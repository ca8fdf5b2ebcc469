"""Pod templates: how they merge, and what a Flow's may not hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.reconcile.allowed import (
    FLOW_CONTAINER_FIELDS,
    SECURITY_FIELDS,
    SIDECAR_FIELDS,
    clash,
    flow_template_fault,
    pool_template_fault,
)
from penstock_operator.reconcile.templates import merged

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("under", "over", "result"),
    [
        pytest.param({"a": 1, "b": 1}, {"b": 2}, {"a": 1, "b": 2}, id="fields"),
        pytest.param(
            {"nodeSelector": {"a": "1", "b": "1"}},
            {"nodeSelector": {"b": "2"}},
            {"nodeSelector": {"a": "1", "b": "2"}},
            id="maps",
        ),
        pytest.param(
            {"containers": [{"name": "flow", "image": "a"}, {"name": "x"}]},
            {"containers": [{"name": "y"}, {"name": "flow", "resources": {}}]},
            {"containers": [{"name": "flow", "image": "a", "resources": {}}, {"name": "x"},
                            {"name": "y"}]},
            id="containers by name",
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "A", "valueFrom": {}}]},
            {"env": [{"name": "A", "valueFrom": {}}]},
            id="variables replace",
        ),
        pytest.param(
            {"tolerations": [{"key": "a"}]},
            {"tolerations": [{"key": "b"}, {"key": "a"}]},
            {"tolerations": [{"key": "a"}, {"key": "b"}]},
            id="tolerations add up",
        ),
        pytest.param(
            {"tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 10}]},
            {"tolerations": [{"key": "a", "operator": "Exists"}]},
            {"tolerations": [{"key": "a", "operator": "Exists"}]},
            id="a toleration can be given more time",
        ),
        pytest.param(
            {"ports": [{"containerPort": 53, "protocol": "UDP"}]},
            {"ports": [{"containerPort": 53},
                       {"containerPort": 53, "protocol": "UDP", "name": "d"}]},
            {"ports": [{"containerPort": 53, "protocol": "UDP", "name": "d"},
                       {"containerPort": 53}]},
            id="ports by number and protocol",
        ),
        pytest.param(
            {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 1},
                                           {"topologyKey": "host", "maxSkew": 1}]},
            {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 2},
                                           {"topologyKey": "host", "maxSkew": 2,
                                            "whenUnsatisfiable": "ScheduleAnyway"}]},
            {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 2},
                                           {"topologyKey": "host", "maxSkew": 1},
                                           {"topologyKey": "host", "maxSkew": 2,
                                            "whenUnsatisfiable": "ScheduleAnyway"}]},
            id="spread constraints by topology and strictness",
        ),
        pytest.param(
            {"imagePullSecrets": [{"name": "a"}]},
            {"imagePullSecrets": [{"name": "b"}, {"name": "a"}]},
            {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]},
            id="pull secrets by name",
        ),
        pytest.param(
            {"volumeMounts": [{"mountPath": "/d", "name": "a"}]},
            {"volumeMounts": [{"mountPath": "/d", "name": "b"}, {"mountPath": "/e", "name": "b"}]},
            {"volumeMounts": [{"mountPath": "/d", "name": "b"}, {"mountPath": "/e", "name": "b"}]},
            id="mounts by path",
        ),
        pytest.param(
            {"volumes": [{"name": "a", "emptyDir": {}}]},
            {"volumes": [{"name": "a", "secret": {"secretName": "s"}}]},
            {"volumes": [{"name": "a", "secret": {"secretName": "s"}}]},
            id="a volume has one type",
        ),
        pytest.param(
            {"securityContext": {"runAsUser": 65532, "runAsNonRoot": True}},
            {"securityContext": {"runAsUser": None, "fsGroup": 1}},
            {"securityContext": {"runAsNonRoot": True, "fsGroup": 1}},
            id="null takes away",
        ),
        pytest.param(
            {"envFrom": [{"secretRef": {"name": "a"}}]},
            {"envFrom": [{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "a"}}]},
            {"envFrom": [{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "a"}}]},
            id="sources of variables add up",
        ),
        pytest.param({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}, id="lists replace"),
        pytest.param({"containers": 3}, {"containers": []}, {"containers": []}, id="nonsense"),
    ],
)  # fmt: skip
def test_the_later_template_wins_where_kubernetes_would_have_it_so(
    under: Any, over: Any, result: Any
) -> None:
    assert merged(under, over=over) == result


def sidecar(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "s", "image": "s:1", **fields}]}


def flow(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "flow", **fields}]}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "host network": ({"hostNetwork": True}, "spec.podTemplate.spec.hostNetwork"),
    "service account": ({"serviceAccountName": "admin"}, "serviceAccountName"),
    "pod security": ({"securityContext": {"runAsUser": 0}}, "securityContext"),
    "host path": ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volumes[v].hostPath"),
    "reserved volume": ({"volumes": [{"name": "penstock-tmp", "emptyDir": {}}]}, "penstock-tmp"),
    "flow's image": (flow(image="evil"), "containers[flow].image"),
    "flow's command": (flow(command=["sh"]), "containers[flow].command"),
    "flow's security": (flow(securityContext={}), "containers[flow].securityContext"),
    "flow's host port": (flow(ports=[{"containerPort": 1, "hostPort": 1}]), "ports"),
    "reserved mount": (
        flow(volumeMounts=[{"name": "v", "mountPath": "/var/run/penstock/flow/"}]),
        "/var/run/penstock/flow",
    ),
    "token in a sidecar": (
        sidecar(volumeMounts=[{"name": "penstock-credentials", "mountPath": "/t"}]),
        "volumeMounts",
    ),
    "privilege": (sidecar(securityContext={"privileged": True}), "privileged"),
    "escalation": (
        sidecar(securityContext={"allowPrivilegeEscalation": True}),
        "allowPrivilegeEscalation",
    ),
    "root": (sidecar(securityContext={"runAsUser": 0}), "runAsUser"),
    "perhaps root": (sidecar(securityContext={"runAsNonRoot": False}), "runAsNonRoot"),
    "capability": (sidecar(securityContext={"capabilities": {"add": ["X"]}}), "capabilities"),
    "seccomp": (sidecar(securityContext={"seccompProfile": {"type": "Unconfined"}}), "seccomp"),
    "proc mount": (sidecar(securityContext={"procMount": "Unmasked"}), "procMount"),
    "unknown field": (sidecar(volumeDevices=[]), "volumeDevices"),
    "probe elsewhere": (sidecar(livenessProbe={"httpGet": {"host": "10.0.0.1"}}), "host"),
    "hook elsewhere": (sidecar(lifecycle={"preStop": {"tcpSocket": {"host": "x"}}}), "host"),
    "init privilege": (
        {"initContainers": [{"name": "i", "securityContext": {"privileged": True}}]},
        "initContainers[i].securityContext.privileged",
    ),
    "init named flow": ({"initContainers": [{"name": "flow"}]}, "initContainers[flow]"),
    "two of a name": ({"containers": [{"name": "a"}, {"name": "a"}]}, "two items"),
    "no name": ({"containers": [{"image": "a"}]}, "without a name"),
    "a name in both groups": (
        {"containers": [{"name": "a"}], "initContainers": [{"name": "a"}]},
        "initContainers[a] has the name of a container",
    ),
    "directive": (
        sidecar(env=[{"name": "A", "$patch": "delete"}]),
        "containers[s].env[A].$patch is a directive",
    ),
    "null": ({"containers": None}, "containers is not a list"),
    "no list": ({"containers": {"name": "a"}}, "not a list"),
    "no objects": ({"volumes": ["a"]}, "not a list of objects"),
}


@pytest.mark.parametrize(("spec", "path"), REFUSED.values(), ids=list(REFUSED))
def test_what_a_flow_may_not_hold_is_refused_by_its_path(spec: dict[str, Any], path: str) -> None:
    assert path in (flow_template_fault(spec) or "")


ALLOWED: dict[str, Any] = {
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "x"}],
    "imagePullSecrets": [{"name": "registry"}],
    "volumes": [{"name": "cache", "emptyDir": {}}, {"name": "s", "secret": {}}],
    "initContainers": [{"name": "wait", "image": "w", "restartPolicy": "Always"}],
    "containers": [
        {
            "name": "flow",
            "env": [],
            "volumeMounts": [{"name": "cache", "mountPath": "/var/run/penstock-cache"}],
            "ports": [{"containerPort": 8000}],
        },
        {
            "name": "proxy",
            "image": "p",
            "securityContext": {
                "runAsUser": 1000,
                "runAsNonRoot": True,
                "privileged": False,
                "capabilities": {"drop": ["ALL"]},
            },
        },
    ],
}


def test_what_a_flow_may_hold_is_not_refused() -> None:
    assert flow_template_fault(ALLOWED) is None


NO_QUANTITIES = ["lots", "1 Gi", "1gi", "1e", "", True, {}]


@pytest.mark.parametrize("wrong", NO_QUANTITIES, ids=repr)
def test_a_quantity_that_is_none_is_refused_by_its_path(wrong: object) -> None:
    spec = flow(resources={"limits": {"cpu": wrong}})

    found = pool_template_fault(spec) or ""

    assert found.startswith("spec.podTemplate.spec.containers[flow].resources.limits.cpu is ")


def test_a_quantity_is_found_wherever_a_pod_has_one() -> None:
    claim = {"spec": {"resources": {"requests": {"storage": "big"}}}}
    divisor = {"name": "CPU", "valueFrom": {"resourceFieldRef": {"divisor": "big"}}}
    templates: list[dict[str, Any]] = [
        {"overhead": {"cpu": "big"}},
        {"resources": {"requests": {"cpu": "big"}}},
        {"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "big"}}]},
        {"volumes": [{"name": "a", "ephemeral": {"volumeClaimTemplate": claim}}]},
        flow(env=[divisor]),
    ]

    found = [pool_template_fault(each) or "" for each in templates]

    assert all("'big', which is no quantity" in each for each in found), found


RIGHT = ["2", 2, 0.5, "0.5", ".5", "5.", "-1", "500m", "1Gi", "1e3", "1E3", "1E", "12e-3", None]


@pytest.mark.parametrize("right", RIGHT, ids=repr)
def test_what_is_a_quantity_is_left_alone(right: object) -> None:
    spec = flow(resources={"limits": {"cpu": right}}, env=[{"name": "limits", "value": "lots"}])

    assert pool_template_fault({**spec, "nodeSelector": {"divisor": "big"}}) is None


POOL = {
    "hostNetwork": True,
    "containers": [{"name": "flow"}, {"name": "agent", "securityContext": {"privileged": True}}],
    "volumes": [{"name": "host", "hostPath": {"path": "/"}}, {"name": "data", "emptyDir": {}}],
}


def test_a_pool_may_hold_whatever_a_pod_may() -> None:
    assert pool_template_fault(POOL) is None


@pytest.mark.parametrize(
    ("flow_spec", "word"),
    [
        pytest.param({"containers": [{"name": "agent", "image": "evil"}]}, "agent", id="container"),
        pytest.param({"initContainers": [{"name": "agent"}]}, "agent", id="another group"),
        pytest.param({"volumes": [{"name": "data"}]}, "volumes[data]", id="volume"),
        pytest.param(flow(volumeMounts=[{"name": "host"}]), "host path", id="host path"),
        pytest.param(flow(volumeMounts=[{"name": "data"}]), None, id="shared volume"),
        pytest.param(sidecar(volumeMounts=[{"name": "host"}]), "host path", id="sidecar"),
    ],
)
def test_a_flow_neither_changes_nor_reaches_what_is_its_pools(
    flow_spec: dict[str, Any], word: str | None
) -> None:
    found = clash(flow_spec, pool=POOL)

    assert found is None if word is None else word in (found or "")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("flowContainerFields", FLOW_CONTAINER_FIELDS),
        ("sidecarFields", SIDECAR_FIELDS - FLOW_CONTAINER_FIELDS),
        ("securityFields", SECURITY_FIELDS),
    ],
)
def test_the_charts_policy_has_the_same_lists(name: str, fields: frozenset[str]) -> None:
    policy = Path("charts/penstock/templates/admissionpolicy-templates.yaml")

    (found,) = re.findall(f'define "penstock.{name}" -}}}}\n(.*)\n', (ROOT / policy).read_text())

    assert set(ast.literal_eval(found)) == fields
