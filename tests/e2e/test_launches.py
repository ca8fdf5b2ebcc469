"""A pod cannot start: the run says why within seconds, waits for a person, but not for ever."""

import pytest
from tests.e2e.cluster import LAUNCH_DEADLINE, Refused, wait_until
from tests.e2e.namespaces import Namespace, Object, Run

# Nothing listens there, so the pull fails at once and everywhere.
NO_IMAGE = "127.0.0.1:9/nothing:1"
NO_PODS = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-pods"},
    "spec": {"hard": {"pods": "0"}},
}
# 2 s until the operator looks, the kubelet's own time, on a machine that runs eight tests at once;
# but before the deadline, when it is over.
SEEN = LAUNCH_DEADLINE - 5


def _waits(run: Run, reason: str, kind: str) -> Object:
    def waiting(status: Object) -> bool:
        return bool(status.get("waitingFor")) and status.get("reason") == reason

    status = run.until(waiting, f"waits with reason {reason}", within=SEEN)
    assert status["state"] == "Pending"
    assert status["waitingFor"]["kind"] == kind
    assert {"since", "until"} <= status["waitingFor"].keys()
    return status


def _forbid_pods(namespace: Namespace) -> None:
    namespace.cluster.request(
        "POST", f"/api/v1/namespaces/{namespace.name}/resourcequotas", NO_PODS
    )


def test_an_image_that_cannot_be_pulled_fails_at_its_deadline(namespace: Namespace) -> None:
    namespace.pool()
    run = namespace.run(namespace.flow("steps", image=NO_IMAGE))
    waiting = _waits(run, "ImageUnavailable", "Image")

    status = run.end(within=LAUNCH_DEADLINE + 30)

    assert NO_IMAGE in waiting["message"]
    assert (status["state"], status["reason"]) == ("Failed", "ImageUnavailable")
    assert NO_IMAGE in status["message"]


def test_a_pod_that_fits_no_node_fails_at_its_deadline(namespace: Namespace) -> None:
    namespace.pool()
    run = namespace.run(namespace.flow("steps", resources={"requests": {"cpu": "500"}}))
    waiting = _waits(run, "Unschedulable", "Node")

    status = run.end(within=LAUNCH_DEADLINE + 30)

    assert "cpu" in waiting["message"].lower()
    assert (status["state"], status["reason"]) == ("Failed", "Unschedulable")


def test_a_full_quota_fails_the_run_at_its_deadline(namespace: Namespace) -> None:
    _forbid_pods(namespace)
    namespace.pool()
    run = namespace.run(namespace.flow("steps"))
    _waits(run, "QuotaExceeded", "Quota")

    status = run.end(within=LAUNCH_DEADLINE + 30)

    assert (status["state"], status["reason"]) == ("Failed", "QuotaExceeded")


def test_a_run_starts_when_the_quota_is_lifted(namespace: Namespace) -> None:
    _forbid_pods(namespace)
    namespace.pool()
    run = namespace.run(namespace.flow("steps"))
    _waits(run, "QuotaExceeded", "Quota")
    namespace.kubectl("delete", "resourcequota", "no-pods")

    status = run.end()

    assert (status["state"], status["attempt"]) == ("Completed", 1)
    assert "waitingFor" not in status


def test_a_container_that_cannot_start_names_what_is_missing(namespace: Namespace) -> None:
    namespace.pool()
    missing = {
        "name": "KEY",
        "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "key"}},
    }
    run = namespace.run(namespace.flow("steps", env=[missing]))
    waiting = _waits(run, "PodNotStarting", "Pod")

    status = run.end(within=LAUNCH_DEADLINE + 30)

    assert "no-such-secret" in waiting["message"]
    assert (status["state"], status["reason"]) == ("Failed", "PodNotStarting")


def test_parameters_that_do_not_fit_fail_before_any_pod(namespace: Namespace) -> None:
    namespace.pool()
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    run = namespace.run(namespace.flow("steps", parameterSchema=schema), {"count": "three"})

    status = run.end()

    assert (status["state"], status["reason"]) == ("Failed", "InvalidParameters")
    assert "count" in status["message"]
    assert namespace.jobs() == []


def test_a_run_waits_for_its_flow(namespace: Namespace) -> None:
    namespace.pool()
    run = namespace.run("steps")
    run.until(
        lambda status: status.get("reason") == "FlowNotFound", "waits for its Flow", within=SEEN
    )
    namespace.flow("steps")

    status = run.end()

    assert status["state"] == "Completed"


def test_a_misspelt_field_is_refused_by_its_name(namespace: Namespace) -> None:
    with pytest.raises(Refused, match="entrypiont"):
        namespace.flow("steps", entrypiont="flows.py:steps")


def test_a_namespace_without_pool_gets_nothing_from_the_operator(namespace: Namespace) -> None:
    run = namespace.run(namespace.flow("steps"))
    run.until(
        lambda status: status.get("reason") == "WorkPoolNotFound", "waits for its pool", within=SEEN
    )

    accounts = namespace.kubectl("get", "serviceaccounts", "-o", "name")

    assert "penstock-runner" not in accounts
    namespace.pool()
    wait_until(
        lambda: run.status()["state"] == "Completed", "it runs once there is a pool", within=60
    )


@pytest.mark.exclusive
@pytest.mark.parametrize(
    ("reason", "flow_spec"),
    [
        pytest.param("ImageUnavailable", {"image": NO_IMAGE}, id="image"),
        pytest.param("Unschedulable", {"resources": {"requests": {"cpu": "500"}}}, id="node"),
        pytest.param("QuotaExceeded", {}, id="quota"),
    ],
)
def test_a_wait_shows(namespace: Namespace, reason: str, flow_spec: Object) -> None:
    if reason == "QuotaExceeded":
        _forbid_pods(namespace)
    namespace.pool()
    run = namespace.run(namespace.flow("steps", **flow_spec))

    status = run.until(lambda status: "waitingFor" in status, "shows what it waits for")

    assert status["reason"] == reason
