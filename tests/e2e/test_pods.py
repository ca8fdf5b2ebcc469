"""Pods with all that a pool and a flow may give them: neighbours, files, a place."""

import json
from pathlib import Path
from typing import Any

from tests.e2e import registry
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
    items = [
        _object("PriorityClass", namespace.name, value=7),
        _object("ConfigMap", "settings", data={"mode": "from the ConfigMap"}),
        _object("Secret", "keys", stringData={"key": "from the Secret"}),
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
        assert pod["status"]["phase"] == "Succeeded"
    finally:
        namespace.kubectl("delete", "priorityclass", namespace.name, "--wait=false")


def test_an_image_is_pulled_with_the_secret_of_the_pool_and_not_without(
    namespace: Namespace,
) -> None:
    node = namespace.cluster.nodes()[0]
    _start_registry(namespace, node)
    command = [registry.SHELL, "-c", "echo from behind a login >/beside/private"]
    container = {
        "name": "private",
        "image": registry.IMAGE,
        "imagePullPolicy": "Always",
        "command": command,
        "volumeMounts": MOUNT,
    }
    flow = {
        "initContainers": [container],
        "containers": [{"name": "flow", "volumeMounts": MOUNT}],
        "volumes": [{"name": "beside", "emptyDir": {}}],
    }
    selector = {"kubernetes.io/hostname": node}
    namespace.pool(podTemplate={"spec": {"nodeSelector": selector}})
    name = namespace.flow("read_files", env=SHOWN, podTemplate={"spec": flow})

    refused = namespace.run(name, {"paths": ["/beside/private"]}, name="without")
    why = refused.until(
        lambda status: status.get("reason") == "ImageUnavailable", "it has no image"
    )
    secrets = {"imagePullSecrets": [{"name": "registry"}], "nodeSelector": selector}
    spec = json.dumps({"spec": {"podTemplate": {"spec": secrets}}})
    namespace.kubectl("patch", "workpool", "default", "--type=merge", "--patch", spec)
    status = namespace.run(name, {"paths": ["/beside/private"]}, name="with").end()

    assert "401" in why["message"]
    assert (status["state"], result(status)) == ("Completed", ["from behind a login"])


def _start_registry(namespace: Namespace, node: str) -> None:
    """Run the registry on a node, where the node's container runtime finds it."""
    kind = "kubernetes.io/dockerconfigjson"
    login = _object(
        "Secret", "registry", type=kind, stringData={".dockerconfigjson": registry.login()}
    )
    program = Path(registry.__file__).read_text()
    container = _container(namespace, "registry", program)
    del container["volumeMounts"]
    listens = {"tcpSocket": {"host": "127.0.0.1", "port": registry.PORT}, "periodSeconds": 1}
    container["readinessProbe"] = listens
    pod = _object(
        "Pod", "registry", spec={"nodeName": node, "hostNetwork": True, "containers": [container]}
    )
    items = _object("List", "", items=[login, pod])
    namespace.kubectl("apply", "-f", "-", stdin=json.dumps(items))
    namespace.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/registry")
