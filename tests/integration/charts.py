"""The chart, rendered by Helm and put into the API server under test."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.integration.apiserver import ApiServer

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/penstock"

Object = dict[str, Any]
RIGHTS = (
    *("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "ServiceAccount"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)


@cache
def helm_path() -> str:
    """Find Helm on the PATH, or where the development cluster keeps it."""
    if found := shutil.which("helm"):
        return found
    folder = subprocess.run(
        ("devcluster/devcluster", "path"), cwd=ROOT, stdout=-1, text=True, check=True
    )
    return f"{folder.stdout.strip()}/helm"


def helm(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Helm and return how it went."""
    return subprocess.run(
        (helm_path(), *arguments),
        env=environment or None,
        capture_output=True,
        text=True,
        check=False,
    )


def render(*settings: str, release: str = "penstock", namespace: str) -> list[Object]:
    """Return the objects of a release with settings such as `replicas=1`."""
    sets = [word for setting in settings for word in ("--set", setting)]
    done = helm(
        *("template", release, str(CHART), "--namespace", namespace, "--kube-version", "1.35"),
        *sets,
    )
    assert done.returncode == 0, done.stderr
    return list(_objects(done.stdout))


@contextmanager
def rights(api: ApiServer) -> Iterator[str]:
    """Install the rights and the policies of a release, in a namespace of the same name.

    The policies hold in namespaces with the label `release=<name>` and leave others alone.
    """
    name = f"penstock-{uuid.uuid4().hex[:6]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api.create("/api/v1/namespaces", body)
    objects = [item for item in render(release=name, namespace=name) if item["kind"] in RIGHTS]
    for item in objects:
        if item["kind"] == "ValidatingAdmissionPolicyBinding":
            labels = {"matchLabels": {"release": name}}
            item["spec"]["matchResources"] = {"namespaceSelector": labels}
    manifest = yaml.safe_dump_all(objects)
    done = api.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    assert done.returncode == 0, done.stderr
    try:
        yield name
    finally:
        api.kubectl("delete", "--wait=false", "-f", "-", stdin=manifest)
        api.delete(f"/api/v1/namespaces/{name}")


def _objects(text: str) -> Iterator[Object]:
    for document in yaml.safe_load_all(text):
        if document:
            yield document
