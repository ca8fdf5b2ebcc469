"""Pods with all kinds of neighbours, and Jobs that wait for Kueue, which a test plays."""

import json
from typing import Any

from tests.e2e.cluster import Object
from tests.e2e.namespaces import Namespace
from tests.e2e.test_durability import SHOWN, progress, result

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


def _priority_class(namespace: Namespace) -> None:
    body = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": namespace.name},
        "value": 7,
    }
    namespace.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def test_a_pod_has_what_its_pool_and_its_flow_give_it(namespace: Namespace) -> None:
    """The sidecar never ends by itself, and keeps nobody waiting."""
    _priority_class(namespace)
    sidecar = _container(
        namespace,
        "sidecar",
        SIDECAR,
        restartPolicy="Always",
        startupProbe={"exec": READY, "periodSeconds": 1, "failureThreshold": 60},
    )
    pool = {
        "priorityClassName": namespace.name,
        "initContainers": [sidecar],
        "volumes": [{"name": "beside", "emptyDir": {"sizeLimit": "1Mi"}}],
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
    }
    flow = {
        "topologySpreadConstraints": [spread],
        "initContainers": [_container(namespace, "init", INIT)],
        "containers": [{"name": "flow", "volumeMounts": MOUNT}],
    }
    try:
        namespace.pool(podTemplate={"spec": pool})
        run = namespace.run(namespace.flow("read_beside", env=SHOWN, podTemplate={"spec": flow}))
        status = run.end()
        namespace.kubectl("wait", "--for=condition=Complete", "--timeout=60s", f"job/{run.name}-1")
        pod = json.loads(namespace.kubectl("get", "pod", run.pod(), "-o", "json"))

        assert (status["state"], status["attempt"]) == ("Completed", 1)
        assert result(status) == ["from the init container", "from the sidecar"]
        assert pod["spec"]["priority"] == 7
        assert pod["status"]["phase"] == "Succeeded"
    finally:
        namespace.kubectl("delete", "priorityclass", namespace.name, "--wait=false")


def _let_go(namespace: Namespace, job: str, *, suspend: bool) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace.name}/jobs/{job}"
    body = {"spec": {"suspend": suspend}}
    namespace.cluster.request("PATCH", path, body, "application/merge-patch+json")


def test_a_run_that_a_queue_admits_and_preempts_goes_on_where_it_was(namespace: Namespace) -> None:
    namespace.pool(job={"labels": {"kueue.x-k8s.io/queue-name": "team-a"}})
    run = namespace.run(namespace.flow("attempts", env=SHOWN))
    waits = run.until(lambda status: status.get("reason") == "WaitingForAdmission", "it waits")
    _let_go(namespace, f"{run.name}-1", suspend=False)
    seen = run.until(lambda status: progress(status) >= 4, "it has finished some tasks")

    _let_go(namespace, f"{run.name}-1", suspend=True)
    again = run.until(
        lambda status: status["attempt"] == 2 and status.get("reason") == "WaitingForAdmission",
        "it waits again",
    )
    _let_go(namespace, f"{run.name}-2", suspend=False)
    status = run.end()

    assert waits["waitingFor"]["name"] == "team-a"
    assert (again["state"], again["recoveries"]) == ("Pending", 1)
    assert (status["state"], status["attempt"]) == ("Completed", 2)
    assert result(status).count(1) >= progress(seen)
