"""Pods that exist only as objects, and the tokens they would be given.

Whoever holds such a token is that pod. No kubelet is needed: the API server binds a token to a pod
object, and tells policies its name.
"""

import time
from dataclasses import dataclass

from tests.integration.apiserver import GROUP, ApiServer, Object, Refused

ACCOUNT = "penstock-runner"


@dataclass(frozen=True, slots=True)
class Pod:
    """A speaker with a pod's token."""

    api: ApiServer
    namespace: str
    name: str
    uid: str

    def report(self, *, run: str = "daily", attempt: int = 1, **fields: object) -> Object:
        """Send a report as the runner does; the fields of `status` may be forged."""
        execution = {"protocol": 1, "attempt": attempt, "podName": self.name, "podUID": self.uid}
        return self.apply(run, {"execution": execution, **fields})

    def apply(self, run: str, status: Object) -> Object:
        body = {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "FlowRun",
            "metadata": {"name": run},
            "status": status,
        }
        path = f"{GROUP}/namespaces/{self.namespace}/flowruns/{run}/status"
        return self.api.apply(path, body, manager="penstock-runner")


def start_pod(api: ApiServer, namespace: str, name: str) -> Pod:
    """Make a pod object and speak with its token."""
    spec = {"serviceAccountName": ACCOUNT, "containers": [{"name": "flow", "image": "i"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    pod = api.create(f"/api/v1/namespaces/{namespace}/pods", body)
    uid = pod["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}
    return Pod(api.speaking_as(_token(api, namespace, reference)), namespace, name, uid)


def wait_until_in_force(pod: Pod) -> None:
    """A new policy takes a moment to reach the API server's own caches, and so do new rights."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            pod.report(attempt=99)
        except Refused as refusal:
            if refusal.status == 422:
                return
        time.sleep(0.1)
    raise AssertionError("The policy is not in force.")


def account_without_pod(api: ApiServer, namespace: str) -> ApiServer:
    """Speak as the runner's account outside of any pod, as one who may make tokens could."""
    return api.speaking_as(_token(api, namespace, None))


def _token(api: ApiServer, namespace: str, reference: Object | None) -> str:
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600, "boundObjectRef": reference},
    }
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{ACCOUNT}/token"
    token: str = api.create(path, request)["status"]["token"]
    return token


def admit_runners(api: ApiServer, namespace: str, *, release: str) -> None:
    """Do what the operator does for a namespace with a pool, under the release's policy."""
    labels = {"metadata": {"labels": {"release": release}}}
    api.merge(f"/api/v1/namespaces/{namespace}", labels)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
    api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": ACCOUNT},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": f"{release}-runner",
        },
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
    }
    api.create(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", binding)
