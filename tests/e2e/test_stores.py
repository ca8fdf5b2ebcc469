"""Journals on a volume: of this machine, which is that of the nodes."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.cluster import Object, wait_until
from tests.e2e.hosts import kill, processes_of_pod
from tests.e2e.namespaces import Namespace
from tests.e2e.test_durability import SHOWN, progress, result

CLAIM = {"store": {"persistentVolumeClaim": {"claimName": "journals"}}}


def claim_folder(namespace: Namespace, folder: Path) -> None:
    """Make the claim `journals`, bound to a folder of this machine."""
    folder.chmod(0o777)  # a kubelet does not hand a folder of its host to the pod's group
    size = {"storage": "1Gi"}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": namespace.name},
        "spec": {
            "capacity": size,
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(folder)},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "journals"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "volumeName": namespace.name,
            "resources": {"requests": size},
        },
    }
    for each in (volume, claim):
        namespace.kubectl("apply", "-f", "-", stdin=json.dumps(each))


def test_a_killed_run_goes_on_from_a_volume_and_leaves_nothing_in_etcd(
    namespace: Namespace,
) -> None:
    with TemporaryDirectory(prefix="penstock-e2e-") as folder:
        try:
            _kill_and_sweep(namespace, Path(folder))
        finally:
            namespace.kubectl("delete", "persistentvolume", namespace.name, "--wait=false")


def _kill_and_sweep(namespace: Namespace, folder: Path) -> None:
    claim_folder(namespace, folder)
    namespace.pool(**CLAIM)
    flow = namespace.flow("attempts", env=SHOWN)
    run = namespace.run(flow)
    seen = run.until(lambda status: progress(status) >= 4, "it has finished some tasks")
    kill(processes_of_pod(run.pod()), "the runner")
    status = run.end()
    journals = folder / "journals" / namespace.name
    before = [each.name for each in journals.iterdir()]
    segments = namespace.kubectl("get", "journalsegments", "-o", "name").split()
    namespace.kubectl("delete", "flowrun", run.name)
    namespace.run(flow, {"count": 2}, name="second").end()

    assert (status["state"], status["attempt"]) == ("Completed", 2)
    assert status["store"] == "persistentVolumeClaim/journals"
    assert result(status).count(1) >= progress(seen)
    assert [name.rpartition("-")[0] for name in before] == [run.name]
    assert segments == []
    wait_until(
        lambda: [each.name.rpartition("-")[0] for each in journals.iterdir()] == ["second"],
        "the journal of the deleted run is swept",
        within=60,
    )


def test_a_result_that_is_too_large_for_the_journal_is_on_the_volume(namespace: Namespace) -> None:
    with TemporaryDirectory(prefix="penstock-e2e-") as folder:
        try:
            claim_folder(namespace, Path(folder))
            namespace.pool(**CLAIM)
            run = namespace.run(namespace.flow("outgrow_the_journal", env=SHOWN))
            status = run.end()
            stored = [each for each in Path(folder, "results").rglob("*") if each.is_file()]

            assert result(status) == [1, 2_000_000, 2]
            assert max(each.stat().st_size for each in stored) >= 2_000_000
        finally:
            namespace.kubectl("delete", "persistentvolume", namespace.name, "--wait=false")


def launched_with(namespace: Namespace, store: Object, reason: str) -> Object:
    namespace.pool(store=store)
    run = namespace.run(namespace.flow("attempts"))
    return run.until(lambda status: status.get("reason") == reason, f"it is {reason}")


def test_a_claim_that_is_missing_is_named(namespace: Namespace) -> None:
    status = launched_with(
        namespace, {"persistentVolumeClaim": {"claimName": "nowhere"}}, "Unschedulable"
    )

    assert 'persistentvolumeclaim "nowhere" not found' in status["message"]


def test_credentials_that_are_missing_are_named(namespace: Namespace) -> None:
    store = {"url": "s3://bucket", "credentialsSecretRef": {"name": "nowhere"}}

    status = launched_with(namespace, store, "PodNotStarting")

    assert 'secret "nowhere" not found' in status["message"]


def test_an_image_without_s3fs_is_told_so_before_any_task_runs(namespace: Namespace) -> None:
    status = launched_with(namespace, {"url": "s3://bucket"}, "StoreUnusable")

    assert status["state"] == "Suspended"
    assert "needs s3fs" in status["message"] or "needs fsspec" in status["message"]
    assert "pip install 'penstock[s3]'" in status["message"]
