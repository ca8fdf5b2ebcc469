"""A pod may write the report of its own run and nothing else, whatever it tries."""

from dataclasses import dataclass

import pytest
from tests.integration.apiserver import GROUP, ApiServer, Object, Refused
from tests.integration.forgery import (
    Pod,
    account_without_pod,
    admit_runners,
    start_pod,
    wait_until_in_force,
)


@dataclass(frozen=True, slots=True)
class Operator:
    """Writes what the operator writes, with its account."""

    api: ApiServer
    namespace: str

    def write(self, run: str, **status: object) -> Object:
        body = {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "FlowRun",
            "metadata": {"name": run},
            "status": {"jobName": f"{run}-{status['attempt']}", **status},
        }
        path = f"{GROUP}/namespaces/{self.namespace}/flowruns/{run}/status"
        return self.api.apply(path, body, manager="penstock-operator")


def create_run(api: ApiServer, namespace: str, name: str) -> None:
    body = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": {"name": name},
        "spec": {"flowRef": {"name": "daily"}},
    }
    api.create(f"{GROUP}/namespaces/{namespace}/flowruns", body)


@pytest.fixture
def operator(api: ApiServer, namespace: str, release: str) -> Operator:
    account = f"system:serviceaccount:{release}:{release}-operator"
    return Operator(api.impersonating(account), namespace)


@pytest.fixture
def pod(api: ApiServer, namespace: str, release: str, operator: Operator) -> Pod:
    """The pod of attempt 1 of the run `daily`, beside another run, with the policy in force."""
    admit_runners(api, namespace, release=release)
    for run in ("daily", "neighbour", "daily-1"):
        create_run(api, namespace, run)
        operator.write(run, state="Pending", attempt=1)
    pod = start_pod(api, namespace, "daily-1-bcdfg")
    wait_until_in_force(pod)
    return pod


def test_a_pod_reports_about_its_own_run(pod: Pod) -> None:
    pod.report()

    reported = pod.report()["status"]

    assert reported["state"] == "Pending"
    assert reported["execution"]["podUID"] == pod.uid


def test_a_neighbour_is_not_written_to(pod: Pod) -> None:
    with pytest.raises(Refused, match="by the pod of attempt 1 alone"):
        pod.report(run="neighbour")


def test_a_run_whose_name_begins_alike_is_not_written_to(
    pod: Pod,
) -> None:
    with pytest.raises(Refused, match="by the pod of attempt 1 alone"):
        pod.report(run="daily-1")


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param({"state": "Completed"}, id="its state"),
        pytest.param({"attempt": 2}, id="its attempt"),
        pytest.param({"jobName": "other"}, id="a field that was not there"),
        pytest.param({"conditions": []}, id="its conditions"),
    ],
)
def test_nothing_but_the_report_is_written(pod: Pod, forged: Object) -> None:
    with pytest.raises(Refused, match=r"report in status.execution alone|current attempt"):
        pod.report(**forged)


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"state": None}, id="its state"),
        pytest.param({"execution": None}, id="its report"),
        pytest.param(None, id="all of it"),
    ],
)
def test_nothing_is_taken_away(pod: Pod, namespace: str, status: Object | None) -> None:
    pod.report()
    path = f"{GROUP}/namespaces/{namespace}/flowruns/daily/status"

    with pytest.raises(Refused) as refusal:
        pod.api.merge(path, {"status": status})

    assert refusal.value.status == 422


@pytest.mark.parametrize("attempt", [0, 2])
def test_another_attempt_is_not_claimed(pod: Pod, attempt: int) -> None:
    with pytest.raises(Refused) as refusal:
        pod.report(attempt=attempt)

    assert refusal.value.status == 422


def test_a_fenced_attempt_is_silent(
    api: ApiServer, pod: Pod, namespace: str, operator: Operator
) -> None:
    """G3: once the new attempt is written, which is before its Job is made, the old one is out."""
    pod.report()
    operator.write("daily", state="Pending", attempt=2)

    with pytest.raises(Refused, match="by the pod of attempt 2 alone"):
        pod.report(attempt=1)
    with pytest.raises(Refused, match="by the pod of attempt 2 alone"):
        pod.report(attempt=2)
    successor = start_pod(api, namespace, "daily-2-bcdfg")
    assert successor.report(attempt=2)["status"]["execution"]["podUID"] == successor.uid


def test_the_first_pod_of_an_attempt_wins(api: ApiServer, pod: Pod, namespace: str) -> None:
    """A Job may start the same program twice."""
    twin = start_pod(api, namespace, "daily-1-xxxxx")
    pod.report()

    with pytest.raises(Refused, match="Another pod has claimed this attempt"):
        twin.report()


def test_a_pod_speaks_in_its_own_name(pod: Pod) -> None:
    execution = {"protocol": 1, "attempt": 1, "podName": pod.name, "podUID": "another"}
    with pytest.raises(Refused, match="have to be those of the pod that reports"):
        pod.apply("daily", {"execution": execution})


@pytest.mark.parametrize("state", ["Completed", "Failed", "Crashed", "Cancelled"])
def test_a_finished_run_takes_no_reports(pod: Pod, operator: Operator, state: str) -> None:
    pod.report()
    operator.write("daily", state=state, attempt=1)

    with pytest.raises(Refused, match="The run has ended"):
        pod.report()


def test_a_pod_that_is_no_runs_pod_is_refused(api: ApiServer, pod: Pod, namespace: str) -> None:
    for name in ("web-1", "daily-1-abcde", "x-daily-1-bcdfg", "daily-1-bcdfgh"):
        with pytest.raises(Refused, match="by the pod of attempt 1 alone"):
            start_pod(api, namespace, name).report()


def test_the_runners_account_without_a_pod_is_refused(
    api: ApiServer, pod: Pod, namespace: str
) -> None:
    stranger = Pod(account_without_pod(api, namespace), namespace, pod.name, pod.uid)

    with pytest.raises(Refused, match="by the pod of attempt 1 alone"):
        stranger.report()


def test_a_person_with_all_rights_in_the_namespace_is_refused(
    api: ApiServer, pod: Pod, namespace: str
) -> None:
    """`kubectl edit --subresource=status` would be a forgery too."""
    done = api.kubectl(
        *("create", "rolebinding", "owner", "-n", namespace),
        *("--clusterrole=cluster-admin", "--user=ada"),
    )
    assert done.returncode == 0, done.stderr
    ada = Pod(api.impersonating("ada"), namespace, pod.name, pod.uid)

    with pytest.raises(Refused, match="by the pod of attempt 1 alone"):
        ada.report()


def test_the_operator_writes_the_rest(pod: Pod, operator: Operator) -> None:
    pod.report()

    status = operator.write("daily", state="Running", attempt=1)["status"]

    assert status["state"] == "Running"
    assert status["execution"]["podUID"] == pod.uid


def test_an_account_that_is_only_named_like_the_operator_is_refused(
    api: ApiServer, pod: Pod, namespace: str, release: str
) -> None:
    name = f"system:serviceaccount:{namespace}:{release}-operator"
    done = api.kubectl(
        *("create", "rolebinding", "impostor", "-n", namespace),
        *("--clusterrole=cluster-admin", f"--user={name}"),
    )
    assert done.returncode == 0, done.stderr

    with pytest.raises(Refused, match="by the pod of attempt 1 alone"):
        Operator(api.impersonating(name), namespace).write("daily", state="Running", attempt=1)


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        pytest.param("GET", f"{GROUP}/namespaces/{{}}/flows/daily", None, id="reads a flow"),
        pytest.param("PATCH", f"{GROUP}/namespaces/{{}}/flowruns/daily", {}, id="changes its spec"),
        pytest.param("DELETE", f"{GROUP}/namespaces/{{}}/flowruns/daily", None, id="deletes a run"),
        pytest.param("GET", "/api/v1/namespaces/{}/secrets", None, id="reads secrets"),
        pytest.param("GET", "/api/v1/namespaces/{}/configmaps", None, id="reads ConfigMaps"),
        pytest.param("GET", "/api/v1/namespaces/{}/pods", None, id="lists pods"),
        pytest.param("POST", "/api/v1/namespaces/{}/pods", {}, id="creates pods"),
        pytest.param("GET", f"{GROUP}/namespaces/default/flowruns/daily", None, id="looks around"),
    ],
)
def test_a_runner_has_no_other_rights(
    pod: Pod, namespace: str, verb: str, path: str, body: Object | None
) -> None:
    content_type = "application/merge-patch+json" if verb == "PATCH" else "application/json"

    with pytest.raises(Refused) as refusal:
        pod.api.request(verb, path.format(namespace), body, content_type=content_type)

    assert refusal.value.status == 403


def test_a_runner_reads_its_run(pod: Pod, namespace: str) -> None:
    run = pod.api.get(f"{GROUP}/namespaces/{namespace}/flowruns/daily")

    assert run["spec"]["cancel"] is False
