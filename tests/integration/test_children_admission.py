"""A runner may start children of its own run, and no other run in any other name."""

import pytest
from tests.integration.apiserver import GROUP, ApiServer, Object, Refused
from tests.integration.forgery import Pod, account_without_pod, start_pod
from tests.integration.test_admission import Operator, operator, pod

from penstock_operator.reconcile.names import job_name

__all__ = ["operator", "pod"]


def child(**changes: object) -> Object:
    spec = {"flowRef": {"name": "load"}, "parentRef": {"name": "daily", "uid": "u"}}
    spec |= changes.pop("spec", {})  # type: ignore[call-overload]
    metadata = {"generateName": "daily-", "labels": {"penstock.dev/parent": "daily"}} | changes
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": metadata,
        "spec": {name: value for name, value in spec.items() if value is not None},
    }


def runs(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/flowruns"


def test_a_pod_starts_a_child_of_its_run(pod: Pod, namespace: str) -> None:
    made = pod.api.create(runs(namespace), child())

    assert made["spec"]["parentRef"]["closePolicy"] == "Cancel"


def test_a_pod_starts_the_run_that_goes_on_from_its_own(pod: Pod, namespace: str) -> None:
    before = {"name": "daily", "uid": "u", "first": "daily"}

    made = pod.api.create(
        runs(namespace), child(labels={}, spec={"parentRef": None, "continuedFrom": before})
    )

    assert made["spec"]["continuedFrom"] == before


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param({"spec": {"parentRef": None}}, id="a run without a parent"),
        pytest.param({"spec": {"parentRef": {"name": "neighbour", "uid": "u"}}}, id="another's"),
        pytest.param({"spec": {"parentRef": {"name": "daily-1", "uid": "u"}}}, id="one alike"),
        pytest.param(
            {"spec": {"continuedFrom": {"name": "neighbour", "uid": "u", "first": "neighbour"}}},
            id="in another's succession",
        ),
        pytest.param({"labels": {"penstock.dev/parent": "neighbour"}}, id="another's label"),
        pytest.param({"labels": {}}, id="no label"),
        pytest.param({"finalizers": ["a.b/c"]}, id="one that cannot be deleted"),
        pytest.param(
            {
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"},
                ]
            },
            id="one with an owner",
        ),
    ],
)
def test_a_pod_starts_nothing_else(pod: Pod, namespace: str, forged: Object) -> None:
    with pytest.raises(Refused) as refusal:
        pod.api.create(runs(namespace), child(**forged))

    assert refusal.value.status == 422


def test_the_runners_account_alone_starts_nothing(pod: Pod, api: ApiServer, namespace: str) -> None:
    somebody = account_without_pod(api, namespace)

    with pytest.raises(Refused, match="its own children alone"):
        somebody.create(runs(namespace), child())


def test_a_pod_changes_no_run(pod: Pod, namespace: str) -> None:
    with pytest.raises(Refused) as refusal:
        pod.api.merge(f"{runs(namespace)}/neighbour", {"spec": {"cancel": True}})

    assert refusal.value.status == 403


def test_people_start_runs_as_they_like(pod: Pod, api: ApiServer, namespace: str) -> None:
    bound = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "starter"},
        "rules": [{"apiGroups": ["penstock.dev"], "resources": ["flowruns"], "verbs": ["create"]}],
    }
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    api.create(f"{rbac}/roles", bound)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "starter"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "starter"},
        "subjects": [{"kind": "User", "name": "ada", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    api.create(f"{rbac}/rolebindings", binding)

    ada = api.impersonating("ada")
    made = ada.create(runs(namespace), child(spec={"parentRef": None}))

    assert "parentRef" not in made["spec"]


@pytest.mark.parametrize("field", ["name", "uid", "closePolicy"])
def test_a_parent_cannot_be_changed(pod: Pod, api: ApiServer, namespace: str, field: str) -> None:
    made = pod.api.create(runs(namespace), child())
    path = f"{runs(namespace)}/{made['metadata']['name']}"

    with pytest.raises(Refused, match="cannot be changed"):
        api.merge(path, {"spec": {"parentRef": {field: "Abandon"}}})


def test_the_parent_of_a_run_with_a_long_name_is_known_by_its_pods(
    pod: Pod, api: ApiServer, namespace: str, operator: Operator
) -> None:
    name = "a" * 51 + "b"
    long = start_pod(api, namespace, f"{job_name(name, attempt=12345)}-bcdfg")
    given = child(
        labels={"penstock.dev/parent": name},
        spec={"parentRef": {"name": name, "uid": "u"}},
    )

    made = long.api.create(runs(namespace), given)

    assert made["spec"]["parentRef"]["name"] == name
