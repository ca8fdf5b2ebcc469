"""Pools with a store, and journals in it, on a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.apiserver import GROUP, ApiServer
from tests.integration.forgery import admit_runners
from tests.integration.journals import Journal, create_journal
from tests.integration.world import Operator, World

from penstock.runner.apiserver import ApiServer as RunnersApiServer
from penstock.runner.chains import journal_folder
from penstock.runner.sweeping import Sweep
from penstock.stores import open_store


def test_a_pool_with_a_volume_launches_pods_that_mount_it(world: World, operator: Operator) -> None:
    """The API server takes the Job as it is."""
    claim = {"claimName": "journals", "subPath": "team"}
    world.create_pool(store={"persistentVolumeClaim": claim})
    world.create_flow()
    world.create_run("one")

    job = world.wait_for_job("one-1")

    pod = job["spec"]["template"]["spec"]
    assert pod["volumes"][-1]["persistentVolumeClaim"] == {"claimName": "journals"}
    assert pod["containers"][0]["volumeMounts"][-1]["subPath"] == "team"
    assert world.status("one")["store"] == "persistentVolumeClaim/journals/team"


def test_a_pool_with_a_bucket_gives_the_pods_its_keys(world: World, operator: Operator) -> None:
    world.create_pool(
        store={
            "url": "s3://bucket/runs",
            "credentialsSecretRef": {"name": "aws"},
            "signingKeySecretRef": {"name": "journal-key", "key": "signing"},
            "allowPickle": False,
        }
    )
    world.create_flow()
    world.create_run("one")

    container = world.wait_for_job("one-1")["spec"]["template"]["spec"]["containers"][0]

    assert container["envFrom"] == [{"secretRef": {"name": "aws"}}]
    names = [each["name"] for each in container["env"]]
    assert names[-3:] == ["PENSTOCK_STORE", "PENSTOCK_SIGNING_KEY", "PENSTOCK_ALLOW_PICKLE"]


def test_a_secret_that_is_missing_is_named_while_the_run_waits_for_it(
    world: World, operator: Operator
) -> None:
    world.create_pool(store={"url": "s3://bucket", "credentialsSecretRef": {"name": "aws"}})
    world.create_flow()
    world.create_run("one")
    job = world.wait_for_job("one-1")
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "aws" not found'}
    world.start_job("one-1")
    status = {"phase": "Pending", "containerStatuses": [waiting_container(waiting)]}
    world.create_pod(job, status=status)

    said = world.wait_for_reason("one", "PodNotStarting")

    assert 'secret "aws" not found' in said["message"]
    assert world.condition("one", "Stalled") == "True"


def waiting_container(waiting: dict[str, str]) -> dict[str, object]:
    return {
        "name": "flow",
        "image": "i",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": waiting},
    }


@pytest.fixture
def journal(api: ApiServer, namespace: str, release: str, tmp_path: Path) -> Journal:
    admit_runners(api, namespace, release=release)
    return create_journal(api, namespace, "daily", tmp_path)


def test_journals_of_runs_that_are_gone_are_swept_with_the_rights_of_a_runner(
    journal: Journal, tmp_path: Path
) -> None:
    gone = create_journal(journal.api, journal.namespace, "gone", tmp_path / "gone")
    renewed = create_journal(journal.api, journal.namespace, "renewed", tmp_path / "renewed")
    store = open_store(str(tmp_path / "store"))
    environment = journal.environment(1)
    server = RunnersApiServer(
        environment.server_host,
        port=environment.server_port,
        credentials=environment.credentials,
    )
    sweep = Sweep(store, environment=environment, server=server)
    for each in (journal, gone, renewed):
        folder = journal_folder(each.run, namespace=each.namespace)
        store.put_if_absent(f"{folder}/records/0000000", b"x")
        sweep.mark(folder)
    store.put_if_absent(f"journals/{journal.namespace}/unmarked-01234567/records/0000000", b"x")
    others = f"journals/{journal.namespace}/of-another-cluster-01234567"
    store.put_if_absent(f"{others}/cluster", b"other")
    names = {each.name: f"{each.name}-{each.uid[:8]}" for each in (journal, gone, renewed)}
    for each in (gone, renewed):
        journal.api.delete(f"{GROUP}/namespaces/{journal.namespace}/flowruns/{each.name}")
    create_journal(journal.api, journal.namespace, "renewed", tmp_path / "again")

    swept = sweep.sweep(within=60)

    server.close()
    assert sorted(swept) == sorted([names["gone"], names["renewed"]])
    assert sorted(store.names(f"journals/{journal.namespace}")) == sorted(
        [names["daily"], "unmarked-01234567", "of-another-cluster-01234567"]
    )
