"""What Penstock creates, compared with golden files.

After a wanted change, run this file with PENSTOCK_WRITE_GOLDEN=1, and read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.unit.operator.reconcile.cluster import Object

from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile.code import Code, code_from, code_of, snapshot_manifest
from penstock_operator.reconcile.manifests import (
    job_manifest,
    role_binding_manifest,
    service_account_manifest,
)
from penstock_operator.reconcile.pods import Launch
from penstock_operator.reconcile.reading import read_config_map
from penstock_operator.reconcile.views import ConfigMapView

GOLDEN = Path(__file__).parent / "golden"

PLAIN_FLOW: Object = {"entrypoint": "flow.py:daily", "image": "weather:1"}
RICH_FLOW: Object = {
    "entrypoint": "etl/flow.py:daily",
    "source": {"inline": {"files": {"etl/flow.py": "def daily(): ...", "etl/rows.csv": "a,b"}}},
    "parameters": {"day": "2026-11-20"},
    "retries": 2,
    "retryDelaySeconds": 1.5,
    "timeoutSeconds": 600,
    "env": [
        {"name": "REGION", "value": "eu"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
        {"name": "PENSTOCK_RUN", "value": "forged"},
        {"name": "PENSTOCK_RESULT_PREVIEW", "value": "true"},
    ],
    "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}},
    "podTemplate": {
        "metadata": {"labels": {"team": "data", "penstock.dev/run": "forged"}},
        "spec": {
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "batch", "operator": "Exists"}],
            "volumes": [{"name": "cache", "emptyDir": {}}],
            "containers": [
                {"name": "flow", "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]},
                {"name": "proxy", "image": "proxy:2", "securityContext": {"runAsUser": 1000}},
            ],
        },
    },
}
RICH_POOL: Object = {
    "image": "pool:3",
    "job": {
        "ttlSecondsAfterFinished": 60,
        "activeDeadlineSeconds": 900,
        "labels": {"kueue.x-k8s.io/queue-name": "batch", "penstock.dev/run": "forged"},
    },
    "podTemplate": {
        "metadata": {"annotations": {"owner": "platform"}},
        "spec": {
            "serviceAccountName": "cloud",
            "terminationGracePeriodSeconds": 60,
            "nodeSelector": {"zone": "a"},
            "hostNetwork": True,
            "containers": [
                {
                    "name": "flow",
                    "command": ["sh"],
                    "args": ["-c"],
                    "env": [{"name": "HOME", "value": "/h"}],
                },
                {"name": "agent", "image": "agent:1"},
            ],
        },
    },
}


def the_launch(flow: Object, pool: Object, *, attempt: int, image: str) -> Launch:
    metadata = {"namespace": "team", "uid": "0000-1"}
    code = code_of(
        Flow.model_validate({"metadata": metadata | {"name": "daily"}, "spec": flow}), source=None
    )
    assert isinstance(code, Code)
    return Launch(
        run=FlowRun.model_validate(
            {"metadata": metadata | {"name": "daily-x7k2p"}, "spec": {"flowRef": {"name": "daily"}}}
        ),
        attempt=attempt,
        code=code,
        pool=WorkPool.model_validate({"metadata": metadata | {"name": "default"}, "spec": pool}),
        image=image,
    )


PLAIN = the_launch(PLAIN_FLOW, {}, attempt=1, image="weather:1")
RICH = the_launch(RICH_FLOW, RICH_POOL, attempt=3, image="pool:3")

MANIFESTS = {
    "job-plain": job_manifest(PLAIN),
    "job-rich": job_manifest(RICH),
    "snapshot-plain": snapshot_manifest(PLAIN.code, namespace="team"),
    "snapshot-rich": snapshot_manifest(RICH.code, namespace="team"),
    "service-account": service_account_manifest("penstock-runner", namespace="team"),
    "role-binding": role_binding_manifest(
        "penstock-runner", namespace="team", account="penstock-runner", role="penstock-runner"
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_as_its_golden_file_has_it(name: str) -> None:
    path = GOLDEN / f"{name}.json"
    if os.environ.get("PENSTOCK_WRITE_GOLDEN"):
        path.write_text(json.dumps(MANIFESTS[name], indent=2, ensure_ascii=False) + "\n")

    assert MANIFESTS[name] == json.loads(path.read_text())


def test_a_users_variables_cannot_override_those_of_penstock() -> None:
    env = MANIFESTS["job-rich"]["spec"]["template"]["spec"]["containers"][0]["env"]  # type: ignore[call-overload,index]
    names = [each["name"] for each in env]

    assert sorted(names) == sorted(set(names))
    assert {"name": "PENSTOCK_RUN", "value": "daily-x7k2p"} in env
    assert {"name": "PENSTOCK_RESULT_PREVIEW", "value": "true"} in env
    assert {"name": "HOME", "value": "/h"} in env
    assert {"name": "PENSTOCK_GRACE_SECONDS", "value": "60"} in env


@pytest.mark.parametrize("capabilities", [None, {"drop": []}, {"drop": ["NET_RAW"]}])
def test_a_flows_sidecar_is_restricted_whatever_it_says(capabilities: Object | None) -> None:
    sidecar = {"name": "s", "image": "s:1", "securityContext": {"capabilities": capabilities}}
    flow = PLAIN_FLOW | {"podTemplate": {"spec": {"initContainers": [sidecar]}}}

    job = job_manifest(the_launch(flow, {}, attempt=1, image="weather:1"))

    assert job["spec"]["template"]["spec"]["initContainers"][0]["securityContext"] == {  # type: ignore[call-overload,index]
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_snapshot_reads_back_as_the_code_that_it_was_made_of() -> None:
    view = read_config_map(MANIFESTS["snapshot-rich"])

    assert code_from(view, flow="daily", version=RICH.code.version) == RICH.code


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="empty"),
        pytest.param({"spec.json": "{", "files.json": "{}", "launch.json": "{}"}, id="no JSON"),
        pytest.param({"spec.json": "[]", "files.json": "3", "launch.json": "{}"}, id="no objects"),
        pytest.param(
            {
                "spec.json": '{"entrypoint": "flow.py:other"}',
                "files.json": "{}",
                "launch.json": '{"sourceKind": "image"}',
            },
            id="other code",
        ),
    ],
)
def test_a_forged_snapshot_is_not_believed(data: dict[str, str]) -> None:
    view = ConfigMapView("daily-1", data)

    assert code_from(view, flow="daily", version=PLAIN.code.version) is None


def test_suspending_a_flow_or_changing_its_history_is_no_new_version_of_its_code() -> None:
    changed = PLAIN_FLOW | {"suspend": True, "history": {"successfulRuns": 1}}

    assert the_launch(changed, {}, attempt=1, image="").code.version == PLAIN.code.version


def test_code_of_one_version_is_launched_alike_whatever_order_it_was_written_in() -> None:
    files = RICH_FLOW["source"]["inline"]["files"]
    turned = RICH_FLOW | {"source": {"inline": {"files": dict(reversed(files.items()))}}}

    assert the_launch(turned, {}, attempt=1, image="").code == RICH.code
