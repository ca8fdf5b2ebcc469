"""The pods of a pool with a store, and runs whose journal is in one."""

from __future__ import annotations

from tests.unit.operator.reconcile.cluster import Cluster, Object, Operator


def launched(store: Object, **flow: object) -> tuple[Object, Object]:
    """Return the pod's spec and the container `flow` of a run in a pool with the store."""
    cluster = Cluster.with_run(pool={"store": store}, flow=flow)
    Operator(cluster).settle()
    pod = cluster.job(1)["spec"]["template"]["spec"]
    return pod, pod["containers"][0]


def variable(container: Object, name: str) -> object:
    return next(each["value"] for each in container["env"] if each["name"] == name)


def test_a_url_goes_to_the_runner_and_its_credentials_to_the_container() -> None:
    url = "s3://bucket/runs"

    pod, container = launched({"url": url, "credentialsSecretRef": {"name": "aws"}})

    assert variable(container, "PENSTOCK_STORE") == url
    assert container["envFrom"] == [{"secretRef": {"name": "aws"}}]
    assert "penstock-store" not in [each["name"] for each in pod["volumes"]]


def test_a_volume_is_mounted_in_the_flows_container() -> None:
    claim = {"claimName": "journals", "subPath": "team"}

    pod, container = launched({"persistentVolumeClaim": claim})

    assert variable(container, "PENSTOCK_STORE") == "file:///var/run/penstock/store"
    assert pod["volumes"][-1] == {
        "name": "penstock-store",
        "persistentVolumeClaim": {"claimName": "journals"},
    }
    assert container["volumeMounts"][-1] == {
        "name": "penstock-store",
        "mountPath": "/var/run/penstock/store",
        "subPath": "team",
    }
    assert "envFrom" not in container


def test_a_signing_key_and_the_ban_of_pickles_reach_the_runner() -> None:
    store = {
        "url": "s3://bucket",
        "signingKeySecretRef": {"name": "journals", "key": "signing"},
        "allowPickle": False,
    }
    forged = [{"name": "PENSTOCK_ALLOW_PICKLE", "value": "true"}]

    _, container = launched(store, env=forged)

    assert container["env"][-2:] == [
        {
            "name": "PENSTOCK_SIGNING_KEY",
            "valueFrom": {"secretKeyRef": {"name": "journals", "key": "signing"}},
        },
        {"name": "PENSTOCK_ALLOW_PICKLE", "value": "false"},
    ]
    assert [each["name"] for each in container["env"]].count("PENSTOCK_ALLOW_PICKLE") == 1


def test_a_flow_cannot_send_its_journal_elsewhere() -> None:
    env = [{"name": "PENSTOCK_STORE", "value": "s3://mine"}]

    _, container = launched({"url": "s3://bucket"}, env=env)

    values = [each["value"] for each in container["env"] if each["name"] == "PENSTOCK_STORE"]
    assert values == ["s3://bucket"]


def test_a_run_that_has_begun_is_not_launched_where_its_journal_is_not() -> None:
    """Else it would find an empty journal, and do again what it had done."""
    cluster = Cluster.with_run(pool={"store": {"url": "s3://old"}})
    operator = Operator(cluster)
    operator.settle()
    cluster.claim(1)
    operator.settle()
    assert cluster.pool is not None
    cluster.pool["spec"] = {"store": {"url": "s3://new"}}
    cluster.evict_pod(1)
    operator.settle()
    held, jobs = dict(cluster.status), list(cluster.created_jobs)

    cluster.pool["spec"] = {"store": {"url": "s3://old"}}
    operator.settle()

    assert (held["state"], held["reason"]) == ("Scheduled", "WorkPoolStalled")
    assert "Its store is now s3://new, and the run's journal is in s3://old" in held["message"]
    assert jobs == ["one-1"]
    assert cluster.created_jobs == ["one-1", "one-2"]
