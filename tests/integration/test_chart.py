"""The chart, as Helm renders it and as the API server takes it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration import charts
from tests.integration.apiserver import GROUP, ApiServer, Object, Refused
from tests.integration.charts import CHART, helm, render

from penstock_operator.app.options import parse_options

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"

KINDS = sorted(path.stem for path in (charts.ROOT / "crds").glob("*.yaml"))

EVERYTHING = (
    "watchNamespaces={a,b}",
    "replicas=3",
    "operator.image=o:1",
    "runner.image=r:1",
    "launchDeadlines.imageSeconds=15",
    "logLevel=debug",
    "logFormat=text",
    "serviceAccount.annotations.x=why",
    "imagePullSecrets[0].name=s",
    "podAnnotations.x=why",
    "podLabels.x=why",
    "nodeSelector.x=why",
    "tolerations[0].operator=Exists",
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
    "priorityClassName=p",
)


def only(objects: list[Object], kind: str) -> Object:
    (found,) = (item for item in objects if item["kind"] == kind)
    return found


def kinds(objects: list[Object]) -> set[str]:
    return {item["kind"] for item in objects}


def test_helm_has_nothing_to_object() -> None:
    done = helm("lint", "--strict", str(CHART))

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_value_that_does_not_exist_is_refused() -> None:
    done = helm("template", str(CHART), "--kube-version", "1.35", "--set", "replica=2")

    assert done.returncode != 0
    assert "replica" in done.stderr


@pytest.mark.parametrize("settings", [(), EVERYTHING], ids=["defaults", "everything"])
def test_the_operator_understands_its_arguments(settings: tuple[str, ...]) -> None:
    deployment = only(render(*settings, namespace="here"), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    options = parse_options(container["args"])

    assert options.http_port == container["ports"][0]["containerPort"]
    assert options.lease_name == "penstock-operator"
    if settings:
        assert options.namespaces == ("a", "b")
        assert options.settings.runner_image == "r:1"
        assert options.settings.image_deadline.total_seconds() == 15
        assert options.settings.quota_deadline.total_seconds() == 1800


@pytest.mark.parametrize("settings", [(), EVERYTHING], ids=["defaults", "everything"])
def test_the_api_server_takes_every_object(
    api: ApiServer, namespace: str, settings: tuple[str, ...]
) -> None:
    """Strict validation finds fields that Kubernetes does not know."""
    objects = [
        item
        for item in render(*settings, release=namespace, namespace=namespace)
        if item["kind"] != "CustomResourceDefinition"
        and item["metadata"].get("namespace", namespace) == namespace
    ]

    for name in ("default", f"{namespace}-penstock-operator"):
        _make_account(api, namespace, name)

    done = api.kubectl(
        *("apply", "--dry-run=server", "--server-side", "--validate=strict", "-f", "-"),
        stdin=yaml.safe_dump_all(objects),
    )

    assert done.returncode == 0, done.stderr


def _make_account(api: ApiServer, namespace: str, name: str) -> None:
    """Do what a controller would: a pod is refused without its account."""
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    api.apply(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", body, manager="test")


def test_its_pods_are_allowed_where_pods_are_restricted(api: ApiServer, namespace: str) -> None:
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.merge(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": level}})
    objects = render(namespace=namespace)
    operator = only(objects, "Deployment")["spec"]["template"]["spec"]
    for name in ("default", operator["serviceAccountName"]):
        _make_account(api, namespace, name)

    for spec in (operator, only(objects, "Pod")["spec"]):
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
        api.create(f"/api/v1/namespaces/{namespace}/pods", body, dryRun="All")
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_one_replica_has_no_disruption_budget() -> None:
    assert "PodDisruptionBudget" in kinds(render(namespace="here"))
    assert "PodDisruptionBudget" not in kinds(render("replicas=1", namespace="here"))
    off = render("podDisruptionBudget.enabled=false", namespace="here")
    assert "PodDisruptionBudget" not in kinds(off)


def test_what_is_switched_off_is_not_there() -> None:
    off = render(
        *("crds.enabled=false", "rbac.create=false", "admissionPolicy.enabled=false"),
        "flowSchema.enabled=false",
        *("serviceAccount.create=false", "serviceAccount.name=mine"),
        namespace="here",
    )

    assert kinds(off) == {"Deployment", "Service", "PodDisruptionBudget", "Pod"}
    pod = only(off, "Deployment")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "mine"


def test_the_kinds_survive_an_uninstall_unless_told_otherwise() -> None:
    def annotations(*settings: str) -> list[Any]:
        return [
            item["metadata"].get("annotations")
            for item in render(*settings, namespace="here")
            if item["kind"] == "CustomResourceDefinition"
        ]

    assert annotations() == [{"helm.sh/resource-policy": "keep"}] * len(KINDS)
    assert annotations("crds.keep=false") == [None] * len(KINDS)


def test_the_kinds_are_those_of_the_repository() -> None:
    rendered = {
        item["metadata"]["name"]: item["spec"]
        for item in render(namespace="here")
        if item["kind"] == "CustomResourceDefinition"
    }

    for path in (charts.ROOT / "crds").iterdir():
        definition = yaml.safe_load(path.read_text())
        assert rendered.pop(definition["metadata"]["name"]) == definition["spec"]
    assert rendered == {}


def test_named_namespaces_need_no_rights_elsewhere() -> None:
    objects = render("watchNamespaces={a,b}", namespace="here")

    assert "ClusterRoleBinding" not in kinds(objects)
    homes = {item["metadata"]["namespace"] for item in objects if item["kind"] == "RoleBinding"}
    assert homes == {"a", "b", "here"}
    policies = [item for item in objects if item["kind"] == "ValidatingAdmissionPolicy"]
    bindings = [item for item in objects if item["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert len(bindings) == len(policies) > 0
    for binding in bindings:
        (expression,) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
        assert expression["values"] == ["a", "b"]


def test_journals_are_served_from_seats_of_their_own() -> None:
    """The level that the schema names exists, and the schema comes before that of all accounts."""
    objects = render("watchNamespaces={a,b}", "flowSchema.shares=7", namespace="here")

    schema, level = only(objects, "FlowSchema"), only(objects, "PriorityLevelConfiguration")
    (rule,) = schema["spec"]["rules"][0]["resourceRules"]
    assert schema["spec"]["priorityLevelConfiguration"]["name"] == level["metadata"]["name"]
    assert schema["spec"]["matchingPrecedence"] < 9000
    assert level["spec"]["limited"]["nominalConcurrencyShares"] == 7
    assert rule["namespaces"] == ["a", "b"]
    assert only(render(namespace="here"), "FlowSchema")["spec"]["rules"][0]["resourceRules"][0][
        "namespaces"
    ] == ["*"]


def test_only_the_named_namespaces_appear(api: ApiServer) -> None:
    """Nothing in the chart has a namespace of its own invention."""
    for item in render("watchNamespaces={a,b}", namespace="here"):
        assert item["metadata"].get("namespace") in {None, "a", "b", "here"}


def may(api: ApiServer, user: str, verb: str, resource: str, **attributes: str) -> bool:
    group, _, resource = resource.rpartition("/")
    resource, _, subresource = resource.partition(":")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "resourceAttributes": {
                "verb": verb,
                "group": group,
                "resource": resource,
                "subresource": subresource,
            }
            | attributes,
        },
    }
    answer = api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    allowed: bool = answer["status"]["allowed"]
    return allowed


PENSTOCK = [
    f"penstock.dev/{kind}" for kind in ("flows", "flowruns", "workpools", "schedules", "signals")
]
OPERATOR_MAY = [
    *(f"{verb} {kind}" for kind in PENSTOCK for verb in ("get", "list", "watch")),
    *(f"patch {kind}:status" for kind in PENSTOCK),
    "create penstock.dev/flowruns",
    "patch penstock.dev/flowruns",
    "delete penstock.dev/flowruns",
    "delete penstock.dev/signals",
    "update penstock.dev/flowruns:finalizers",
    *(f"{verb} batch/jobs" for verb in ("get", "list", "watch", "create", "delete")),
    *(f"{verb} pods" for verb in ("get", "list")),
    *(f"{verb} events" for verb in ("get", "list")),
    *(f"{verb} configmaps" for verb in ("get", "list", "create", "delete")),
    *(f"{verb} serviceaccounts" for verb in ("get", "create")),
    *(
        f"{verb} rbac.authorization.k8s.io/rolebindings"
        for verb in ("get", "create", "patch", "delete")
    ),
]
OPERATOR_MAY_NOT = [
    *(f"update {kind}" for kind in PENSTOCK),
    *(
        f"{verb} {kind}"
        for kind in PENSTOCK
        for verb in ("create", "patch")
        if kind != "penstock.dev/flowruns"
    ),
    "delete penstock.dev/flows",
    "delete penstock.dev/workpools",
    "update penstock.dev/flowruns:status",
    "patch batch/jobs",
    "watch pods",
    "create pods",
    "delete pods",
    "create pods:exec",
    "get secrets",
    "watch configmaps",
    "update configmaps",
    "create serviceaccounts:token",
    "update serviceaccounts",
    "list namespaces",
    "list nodes",
    "get rbac.authorization.k8s.io/clusterroles",
    "escalate rbac.authorization.k8s.io/clusterroles",
    "bind rbac.authorization.k8s.io/clusterroles",
    "impersonate users",
    "get coordination.k8s.io/leases",
]


@pytest.mark.parametrize("right", OPERATOR_MAY)
def test_the_operator_may(api: ApiServer, release: str, namespace: str, right: str) -> None:
    verb, resource = right.split()
    user = f"system:serviceaccount:{release}:{release}-operator"

    assert may(api, user, verb, resource, namespace=namespace)


@pytest.mark.parametrize("right", OPERATOR_MAY_NOT)
def test_the_operator_may_not(api: ApiServer, release: str, namespace: str, right: str) -> None:
    verb, resource = right.split()
    user = f"system:serviceaccount:{release}:{release}-operator"

    assert not may(api, user, verb, resource, namespace=namespace)


def test_the_operator_binds_the_runners_role_and_no_other(
    api: ApiServer, release: str, namespace: str
) -> None:
    operator = api.impersonating(f"system:serviceaccount:{release}:{release}-operator")

    def bind(role: str) -> None:
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        body = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"bound-to-{role}"},
            "roleRef": reference,
            "subjects": [{"kind": "ServiceAccount", "name": "x", "namespace": namespace}],
        }
        operator.create(f"{RBAC}/namespaces/{namespace}/rolebindings", body)

    bind(f"{release}-runner")
    for role in ("cluster-admin", f"{release}-edit"):
        with pytest.raises(Refused) as refusal:
            bind(role)
        assert refusal.value.status == 403


def test_the_operator_keeps_one_lease_and_no_other(
    api: ApiServer, release: str, namespace: str
) -> None:
    user = f"system:serviceaccount:{release}:{release}-operator"
    leases = "coordination.k8s.io/leases"
    own = {"namespace": release, "name": f"{release}-operator"}

    assert all(may(api, user, verb, leases, **own) for verb in ("get", "update", "watch"))
    assert may(api, user, "create", leases, namespace=release)
    assert may(api, user, "watch", leases, name=f"{release}-operator")
    assert not may(api, user, "update", leases, namespace=release, name="another")
    assert not may(api, user, "create", leases, namespace=namespace)
    assert not may(api, user, "watch", leases)


@pytest.mark.parametrize(
    ("role", "may_do", "may_not_do"),
    [
        ("view", "watch flowruns", "create flowruns"),
        ("view", "get flows", "get journalsegments"),
        ("edit", "delete flowruns", "create journalsegments"),
        ("edit", "create flowruns", "create workpools"),
        ("edit", "patch flows", "patch flowruns:status"),
        ("view", "watch signals", "create signals"),
        ("edit", "create signals", "patch signals:status"),
        ("edit", "patch concurrencylimits:scale", "patch workpools:scale"),
        ("admin", "create workpools", "patch workpools:status"),
        ("admin", "patch workpools:scale", "patch flows:status"),
    ],
)
def test_people_get_the_kinds_with_the_clusters_own_roles(
    api: ApiServer, release: str, namespace: str, role: str, may_do: str, may_not_do: str
) -> None:
    """The controller that aggregates does not run here, so the part is bound by itself."""
    label = f"rbac.authorization.k8s.io/aggregate-to-{role}"
    part = api.get(f"{RBAC}/clusterroles/{release}-{role}")
    done = api.kubectl(
        *("create", "rolebinding", role, "-n", namespace),
        *(f"--clusterrole={release}-{role}", f"--user={namespace}"),
    )
    assert done.returncode == 0, done.stderr

    def can(right: str) -> bool:
        verb, resource = right.split()
        return may(api, namespace, verb, f"penstock.dev/{resource}", namespace=namespace)

    assert part["metadata"]["labels"][label] == "true"
    assert can(may_do)
    assert not can(may_not_do)


def _hand_over_the_kinds(api: ApiServer, release: str) -> None:
    """Mark the kinds that are there already as this release's, as Helm asks for."""
    names = [f"crd/{name}" for name in KINDS]
    marks = (f"meta.helm.sh/release-name={release}", f"meta.helm.sh/release-namespace={release}")
    for done in (
        api.kubectl("annotate", "--overwrite", *names, *marks),
        api.kubectl("label", "--overwrite", *names, "app.kubernetes.io/managed-by=Helm"),
    ):
        assert done.returncode == 0, done.stderr


def test_install_upgrade_and_uninstall(api: ApiServer, namespace: str, tmp_path: Path) -> None:
    """An upgrade changes the kinds; an uninstall keeps them, and the flows in them."""
    target = (namespace, "--namespace", namespace, "--kubeconfig", str(api.kubeconfig))
    options = ("--force-conflicts", "--set", f"watchNamespaces[0]={namespace}")
    _hand_over_the_kinds(api, namespace)
    newer = tmp_path / "penstock"
    shutil.copytree(CHART, newer)
    definition = newer / "files/crds/flows.penstock.dev.yaml"
    definition.write_text(definition.read_text().replace("[fl]", "[fl, flo]"))
    flow = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "Flow",
        "metadata": {"name": "kept"},
        "spec": {"entrypoint": "flow.py:kept"},
    }

    def succeed(*arguments: str) -> str:
        done = helm(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def short_names() -> list[str]:
        names = api.get(f"{CRDS}/flows.penstock.dev")["spec"]["names"]["shortNames"]
        return list(names)

    try:
        notes = succeed("install", *target[:1], str(CHART), *target[1:], *options)
        assert f"It runs the flows of these namespaces: {namespace}." in notes
        assert short_names() == ["fl"]
        api.create(f"{GROUP}/namespaces/{namespace}/flows", flow)

        succeed("upgrade", *target[:1], str(newer), *target[1:], *options)
        assert short_names() == ["fl", "flo"]

        succeed("uninstall", *target)
        succeed("install", *target[:1], str(CHART), *target[1:], *options)
        succeed("uninstall", *target)
        assert api.get(f"{GROUP}/namespaces/{namespace}/flows/kept")["spec"]
    finally:
        crds = str(charts.ROOT / "crds")
        api.kubectl("apply", "--server-side", "--force-conflicts", "-f", crds)
    assert short_names() == ["fl"]
