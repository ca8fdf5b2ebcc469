"""The real runner process against the real API server, with a pod's own token and the policies.

No kubelet is needed: the pod exists as an object, and this test is its node.
"""

import base64
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from tests.integration.apiserver import GROUP, ApiServer, Object
from tests.integration.forgery import Pod, admit_runners, start_pod, wait_until_in_force
from tests.integration.runner.processes import Place, RunnerProcess

TICKING = """
import time
from penstock import flow, task

@task
def tick(number):
    time.sleep(0.02)
    return number

@flow
def daily(count: int):
    print("ticking", flush=True)
    return sum(tick.map(range(count)).result())
"""


@dataclass(frozen=True, slots=True)
class Daily:
    """The run `daily` at its first attempt, its pod, and what is started in the pod's name."""

    api: ApiServer
    operator: ApiServer
    namespace: str
    pod: Pod
    folder: Path
    processes: list[RunnerProcess]

    @property
    def path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/flowruns/daily"

    @property
    def status(self) -> Object:
        status: Object = self.api.get(self.path)["status"]
        return status

    def write(self, **status: object) -> None:
        body = {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "FlowRun",
            "metadata": {"name": "daily"},
            "status": {"jobName": f"daily-{status['attempt']}", **status},
        }
        self.operator.apply(f"{self.path}/status", body, manager="penstock-operator")

    def start(self, *, count: int, pod: Pod | None = None) -> RunnerProcess:
        pod = pod or self.pod
        folder = self.folder / pod.name
        credentials = folder / "credentials"
        credentials.mkdir(parents=True)
        (credentials / "token").write_text(pod.api.headers["Authorization"].split()[1])
        (credentials / "ca.crt").write_text(_authority(self.api.kubeconfig))
        address = urlsplit(self.api.url)
        place = Place(
            folder=folder,
            host=str(address.hostname),
            port=address.port or 443,
            credentials=credentials,
            namespace=self.namespace,
            pod_name=pod.name,
            pod_uid=pod.uid,
        )
        launch = {"entrypoint": "flow.py:daily", "parameters": {"count": count}}
        self.processes.append(RunnerProcess(place, code=TICKING, launch=launch))
        return self.processes[-1]

    def wait_for(self, met: Callable[[Object], object]) -> Object:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if met(status := self.status):
                return status
            time.sleep(0.05)
        raise AssertionError(f"The run never came so far: {status}")


@pytest.fixture
def daily(api: ApiServer, namespace: str, release: str, tmp_path: Path) -> Iterator[Daily]:
    admit_runners(api, namespace, release=release)
    body = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": {"name": "daily"},
        "spec": {"flowRef": {"name": "daily"}},
    }
    api.create(f"{GROUP}/namespaces/{namespace}/flowruns", body)
    pod = start_pod(api, namespace, "daily-1-bcdfg")
    operator = api.impersonating(f"system:serviceaccount:{release}:{release}-operator")
    daily = Daily(api, operator, namespace, pod, tmp_path, [])
    daily.write(state="Pending", attempt=1)
    wait_until_in_force(pod)
    api.merge(f"{daily.path}/status", {"status": {"execution": None}})  # what got through before
    yield daily
    for process in daily.processes:
        process.close()


def _authority(kubeconfig: Path) -> str:
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    if "certificate-authority-data" in cluster:
        return base64.b64decode(cluster["certificate-authority-data"]).decode()
    return Path(cluster["certificate-authority"]).read_text()


def test_a_run_is_claimed_followed_and_concluded(daily: Daily) -> None:
    runner = daily.start(count=300)
    claimed = daily.wait_for(lambda status: "execution" in status)
    grown = daily.wait_for(lambda status: status["execution"]["progress"].endswith("/300"))

    assert runner.exit_code() == 0
    execution = daily.status["execution"]
    assert claimed["execution"]["podUID"] == daily.pod.uid
    assert grown["execution"]["tasks"][0]["name"] == "tick"
    assert execution["progress"] == "300/300"
    assert execution["counts"] == {"Completed": 300}
    assert execution["outcome"]["state"] == "Completed"
    assert "state" in daily.status, "the operator's fields were taken away"


def test_the_report_of_a_thousand_tasks_is_small_and_written_rarely(daily: Daily) -> None:
    started = time.monotonic()
    before = _version(daily)
    runner = daily.start(count=2000)

    assert runner.exit_code(timeout=120) == 0
    run = daily.api.get(daily.path)
    assert len(str(run["status"]["execution"])) < 32 * 1024
    assert run["status"]["execution"]["progress"] == "2000/2000"
    entries = [
        entry for entry in run["metadata"]["managedFields"] if entry["manager"] == "penstock-runner"
    ]
    assert len(str(entries)) < 1000, "an atomic field has one entry"
    assert before != _version(daily)
    assert time.monotonic() - started < 120


def test_a_second_pod_of_the_attempt_leaves_without_a_word(daily: Daily) -> None:
    first = daily.start(count=3)
    assert first.exit_code() == 0
    reported = daily.status["execution"]
    other = start_pod(daily.api, daily.namespace, "daily-1-zzzzz")

    second = daily.start(count=3, pod=other)

    assert second.exit_code() == 70
    assert daily.status["execution"] == reported


def test_a_fenced_runner_stops_and_keeps_silent(daily: Daily) -> None:
    """G3: the policy refuses it as soon as the next attempt is written."""
    runner = daily.start(count=10_000)
    runner.wait_for_line("ticking")
    daily.write(state="Pending", attempt=2)

    assert runner.exit_code() == 70
    assert "outcome" not in daily.status["execution"]


def test_a_finished_run_is_not_run_again(daily: Daily) -> None:
    daily.write(state="Failed", attempt=1)

    runner = daily.start(count=3)

    assert runner.exit_code() == 70
    assert "execution" not in daily.status
    assert "ticking" not in runner.output


def test_a_cancelled_run_is_reported_as_such(daily: Daily) -> None:
    runner = daily.start(count=10_000)
    runner.wait_for_line("ticking")
    daily.api.merge(daily.path, {"spec": {"cancel": True}})
    runner.signal(signal.SIGTERM)

    assert runner.exit_code() == 4
    assert daily.status["execution"]["outcome"]["reason"] == "CancelRequested"


def test_a_disrupted_pod_leaves_without_an_outcome(daily: Daily) -> None:
    runner = daily.start(count=10_000)
    runner.wait_for_line("ticking")
    runner.signal(signal.SIGTERM)

    assert runner.exit_code(timeout=60) == 143
    assert "outcome" not in daily.status["execution"]


def test_a_run_that_was_deleted_stops_its_pod(daily: Daily) -> None:
    runner = daily.start(count=10_000)
    runner.wait_for_line("ticking")
    daily.api.delete(daily.path)

    assert runner.exit_code() == 70


def test_rights_that_come_a_moment_later_are_waited_for(daily: Daily) -> None:
    """The operator makes the RoleBinding just before the Job; caches take their time."""
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{daily.namespace}/rolebindings"
    binding = daily.api.get(f"{bindings}/penstock-runner")
    daily.api.delete(f"{bindings}/penstock-runner")
    time.sleep(0.5)
    runner = daily.start(count=3)
    runner.wait_for_line("did not take this pod's claim yet")
    del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
    daily.api.create(bindings, binding)

    assert runner.exit_code() == 0


def _version(daily: Daily) -> str:
    version: str = daily.api.get(daily.path)["metadata"]["resourceVersion"]
    return version
