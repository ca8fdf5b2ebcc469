"""What a kubelet lays out for a pod: its token, its snapshot, its environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.integration.apiserver import ApiServer, Object

from penstock_operator.reconcile.stores import STORE_PATH


def journals_in(folder: Path) -> Path:
    """Return what a volume of the pool's store is mounted from."""
    return folder / "volume"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod's process finds what its pod spec promises."""

    pod: Object
    folder: Path

    def environment(self, container: Object) -> dict[str, str]:
        """Return the container's variables; the two mounts are where they are on this machine."""
        metadata = self.pod["metadata"]
        fields = {"metadata.name": metadata["name"], "metadata.uid": metadata["uid"]}
        given = {
            each["name"]: fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
            if "valueFrom" in each
            else each.get("value", "")
            for each in container["env"]
        }
        if given.get("PENSTOCK_STORE") == f"file://{STORE_PATH}":
            given["PENSTOCK_STORE"] = journals_in(Path(given["CHAOS_STORE"])).as_uri()
        return given | {
            "HOME": str(self.folder),
            "PENSTOCK_CREDENTIALS_DIR": str(self.folder),
            "PENSTOCK_SNAPSHOT_DIR": str(self.folder / "snapshot"),
        }


def mount(api: ApiServer, pod: Object, *, folder: Path, authority: str) -> Place:
    """Make the pod's mounts in a folder of its own."""
    (folder / "snapshot").mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(_token(api, pod))
    (folder / "ca.crt").write_text(authority)
    (volume,) = (each for each in pod["spec"]["volumes"] if each["name"] == "penstock-flow")
    namespace = pod["metadata"]["namespace"]
    name = volume["configMap"]["name"]
    data = api.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")["data"]
    for item in volume["configMap"]["items"]:
        path = folder / "snapshot" / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data[item["key"]])
    return Place(pod, folder)


def _token(api: ApiServer, pod: Object) -> str:
    metadata = pod["metadata"]
    reference = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600, "boundObjectRef": reference},
    }
    account = pod["spec"]["serviceAccountName"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
    token: str = api.create(path, body)["status"]["token"]
    return token
