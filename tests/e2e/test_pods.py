"""Pods with all that a pool and a flow may give them: neighbours, files, a place."""

import json
from typing import Any

from tests.e2e.cluster import Object
from tests.e2e.namespaces import Namespace
from tests.e2e.test_durability import SHOWN, result

INIT = "from pathlib import Path; Path('/beside/init').write_text('from the init container')"
SIDECAR = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Path("/beside/sidecar").write_text("from the sidecar")
Path("/beside/ready").touch()
while True:
    time.sleep(0.2)
"""
READY = {"command": ["python", "-c", "open('/beside/ready')"]}
MOUNT = [{"name": "beside", "mountPath": "/beside"}]


def _container(namespace: Namespace, name: str, program: str, **more: Any) -> Object:
    image = namespace.cluster.images["runner"]
    command = ["python", "-c", program]
    return {"name": name, "image": image, "command": command, "volumeMounts": MOUNT, **more}


def _object(kind: str, name: str, **content: Any) -> Object:
    group = "scheduling.k8s.io/v1" if kind == "PriorityClass" else "v1"
    return {"apiVersion": group, "kind": kind, "metadata": {"name": name}, **content}


def _given(namespace: Namespace) -> None:
    """Create what the pods refer to."""
    login = json.dumps({"auths": {"registry.example.com": {"auth": "dXNlcjpwYXNz"}}})
    kind = "kubernetes.io/dockerconfigjson"
    items = [
        _object("PriorityClass", namespace.name, value=7),
        _object("ConfigMap", "settings", data={"mode": "from the ConfigMap"}),
        _object("Secret", "keys", stringData={"key": "from the Secret"}),
        _object("Secret", "registry", type=kind, stringData={".dockerconfigjson": login}),
    ]
    namespace.kubectl("apply", "-f", "-", stdin=json.dumps(_object("List", "", items=items)))


def test_a_pod_has_what_its_pool_and_its_flow_give_it(namespace: Namespace) -> None:
    """The sidecar never ends by itself, and keeps nobody waiting.

    Tolerations are what the tests of lost nodes live by.
    """
    _given(namespace)
    sidecar = _container(
        namespace,
        "sidecar",
        SIDECAR,
        restartPolicy="Always",
        startupProbe={"exec": READY, "periodSeconds": 1, "failureThreshold": 60},
    )
    node = namespace.cluster.nodes()[0]
    pool = {
        "priorityClassName": namespace.name,
        "nodeSelector": {"kubernetes.io/hostname": node},
        "initContainers": [sidecar],
        "containers": [
            {
                "name": "flow",
                "volumeMounts": [{"name": "host", "mountPath": "/host", "readOnly": True}],
            }
        ],
        "volumes": [
            {"name": "beside", "emptyDir": {"sizeLimit": "1Mi"}},
            {"name": "host", "hostPath": {"path": "/proc/sys/kernel", "type": "Directory"}},
        ],
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
    }
    labels = {"path": "flow", "fieldRef": {"fieldPath": "metadata.labels['penstock.dev/flow']"}}
    sources = [{"configMap": {"name": "settings"}}, {"downwardAPI": {"items": [labels]}}]
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("settings", "keys", "both")]
    flow = {
        "topologySpreadConstraints": [spread],
        "imagePullSecrets": [{"name": "registry"}],
        "initContainers": [_container(namespace, "init", INIT)],
        "containers": [{"name": "flow", "volumeMounts": [*MOUNT, *mounts]}],
        "volumes": [
            {"name": "settings", "configMap": {"name": "settings"}},
            {"name": "keys", "secret": {"secretName": "keys"}},
            {"name": "both", "projected": {"sources": sources}},
        ],
    }
    files = {
        "/beside/init": "from the init container",
        "/beside/sidecar": "from the sidecar",
        "/settings/mode": "from the ConfigMap",
        "/keys/key": "from the Secret",
        "/both/mode": "from the ConfigMap",
        "/both/flow": "read-files",
        "/host/ostype": "Linux",
    }
    try:
        namespace.pool(podTemplate={"spec": pool})
        name = namespace.flow("read_files", env=SHOWN, podTemplate={"spec": flow})
        run = namespace.run(name, {"paths": list(files)})
        status = run.end()
        namespace.kubectl("wait", "--for=condition=Complete", "--timeout=60s", f"job/{run.name}-1")
        pod = json.loads(namespace.kubectl("get", "pod", run.pod(), "-o", "json"))

        assert (status["state"], status["attempt"]) == ("Completed", 1)
        assert result(status) == list(files.values())
        assert (pod["spec"]["priority"], pod["spec"]["nodeName"]) == (7, node)
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        assert pod["status"]["phase"] == "Succeeded"
    finally:
        namespace.kubectl("delete", "priorityclass", namespace.name, "--wait=false")
