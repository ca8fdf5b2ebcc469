"""Pod templates on a real API server: what the Job holds in the end, and what is refused."""

from __future__ import annotations

from typing import Any

from tests.integration.world import Operator, World

Object = dict[str, Any]

POOL: Object = {
    "metadata": {"labels": {"team": "platform", "tier": "batch"}},
    "spec": {
        "nodeSelector": {"zone": "a", "disk": "hdd"},
        "priorityClassName": "batch",
        "imagePullSecrets": [{"name": "registry"}],
        "securityContext": {"runAsUser": 1000, "supplementalGroups": [7]},
        "tolerations": [
            {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            },
        ],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"team": "platform"}},
            }
        ],
        "affinity": {
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 1,
                        "preference": {"matchExpressions": [{"key": "big", "operator": "Exists"}]},
                    }
                ]
            }
        },
        "initContainers": [{"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}],
        "containers": [
            {
                "name": "flow",
                "env": [{"name": "REGION", "value": "eu"}, {"name": "TIER", "value": "batch"}],
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                "resources": {"limits": {"memory": "1Gi"}},
            }
        ],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}],
    },
}
FLOW: Object = {
    "metadata": {"labels": {"team": "data"}, "annotations": {"note": "nightly"}},
    "spec": {
        "nodeSelector": {"disk": "ssd"},
        "priorityClassName": "urgent",
        "imagePullSecrets": [{"name": "own"}, {"name": "registry"}],
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 2,
                "topologyKey": "zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"team": "data"}},
            }
        ],
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "host", "labelSelector": {"matchLabels": {"team": "data"}}}
                ]
            }
        },
        "initContainers": [{"name": "fetch", "image": "fetch:1"}],
        "containers": [
            {
                "name": "flow",
                "env": [
                    {"name": "REGION", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
                ],
                "envFrom": [{"configMapRef": {"name": "settings"}}],
                "volumeMounts": [{"name": "rows", "mountPath": "/rows"}],
                "resources": {"limits": {"nvidia.com/gpu": "1"}},
            },
            {"name": "agent", "image": "agent:1"},
        ],
        "volumes": [
            {"name": "rows", "persistentVolumeClaim": {"claimName": "rows"}},
            {"name": "config", "configMap": {"name": "config"}},
            {"name": "key", "secret": {"secretName": "key"}},
            {"name": "mixed", "projected": {"sources": [{"configMap": {"name": "config"}}]}},
        ],
    },
}


def test_a_job_holds_what_the_pool_and_the_flow_have_said(world: World, operator: Operator) -> None:
    world.create_pool(podTemplate=POOL)
    world.create_flow(podTemplate=FLOW)
    world.create_run("one")

    template = world.wait_for_job("one-1")["spec"]["template"]

    spec = template["spec"]
    flow, agent = spec["containers"]
    labels = template["metadata"]["labels"]
    assert (labels["team"], labels["tier"], labels["penstock.dev/run"]) == ("data", "batch", "one")
    assert template["metadata"]["annotations"]["note"] == "nightly"
    assert spec["nodeSelector"] == {"zone": "a", "disk": "ssd"}
    assert spec["priorityClassName"] == "urgent"
    assert spec["imagePullSecrets"] == [{"name": "registry"}, {"name": "own"}]
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert set(spec["affinity"]) == {"nodeAffinity", "podAntiAffinity"}
    assert [each["maxSkew"] for each in spec["topologySpreadConstraints"]] == [2]
    assert {each["key"]: each.get("tolerationSeconds") for each in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready": 300,
        "node.kubernetes.io/unreachable": 5,
        "gpu": None,
        "spot": None,
    }
    assert [(each["name"], each.get("restartPolicy")) for each in spec["initContainers"]] == [
        ("proxy", "Always"),
        ("fetch", None),
    ]
    assert flow["resources"]["limits"] == {"memory": "1Gi", "nvidia.com/gpu": "1"}
    assert {each["name"]: each.get("value") for each in flow["env"]}.items() >= {
        "REGION": None,
        "TIER": "batch",
    }.items()
    assert flow["envFrom"] == [{"configMapRef": {"name": "settings"}}]
    assert {"/scratch", "/rows", "/tmp"} <= {each["mountPath"] for each in flow["volumeMounts"]}
    assert agent["securityContext"]["allowPrivilegeEscalation"] is False
    assert {each["name"] for each in spec["volumes"]} >= {
        "scratch",
        "rows",
        "config",
        "key",
        "mixed",
    }


def test_a_field_that_no_pod_has_is_named_by_its_path_and_waited_for(
    world: World, operator: Operator
) -> None:
    world.create_pool(podTemplate={"spec": {"nodeSelectr": {"zone": "a"}}})
    world.create_flow()
    world.create_run("one")

    status = world.wait_for_reason("one", "WorkPoolStalled", within=60)
    world.change("workpools", "default", {"podTemplate": None})
    world.wait_for_job("one-1", within=60)

    assert 'unknown field "spec.podTemplate.spec.nodeSelectr"' in status["message"]


def test_a_field_of_a_flows_container_that_no_pod_has_ends_the_run(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    flow = {"name": "flow", "resources": {"limitz": {"memory": "1Gi"}}}
    world.create_flow(podTemplate={"spec": {"containers": [flow]}})
    world.create_run("one")

    status = world.wait_for_state("one", "Failed", within=60)

    assert status["reason"] == "LaunchRefused"
    assert 'unknown field "spec.template.spec.containers[0].resources.limitz"' in status["message"]


def test_a_flow_that_may_not_have_its_template_says_where(world: World, operator: Operator) -> None:
    world.create_pool()
    sidecar = {"name": "s", "image": "s:1", "securityContext": {"privileged": True}}
    world.create_flow(podTemplate={"spec": {"containers": [sidecar]}})
    world.create_run("one")

    status = world.wait_for_reason("one", "FlowStalled")

    assert "spec.podTemplate.spec.containers[s].securityContext.privileged" in status["message"]
