"""Jobs that a queue admits and preempts. Kueue is played: its writes, by hand, in their order."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.e2e.cluster import Object, Refused, wait_until
from tests.e2e.namespaces import GROUP, TERMINAL, Namespace, Run
from tests.e2e.test_durability import SHOWN, progress, result

FLAVOUR = {
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
}


class Kueue:
    """Writes to Jobs what Kueue does when it starts and stops them."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def admit(self, job: str) -> None:
        """Let the Job go, to the nodes of a flavour."""
        self._patch(job, {"spec": {"suspend": False, "template": {"spec": FLAVOUR}}})

    def preempt(self, job: str) -> None:
        """Take its place away: suspend it, then undo what admission has put into its template."""
        self._patch(job, {"spec": {"suspend": True}})
        self._persist(lambda: self._patch(job, {"status": {"startTime": None}}, part="/status"))
        without: Object = dict.fromkeys(FLAVOUR)
        self._persist(lambda: self._patch(job, {"spec": {"template": {"spec": without}}}))

    def _patch(self, job: str, body: Object, *, part: str = "") -> Object:
        path = f"/apis/batch/v1/namespaces/{self._namespace.name}/jobs/{job}{part}"
        content = "application/merge-patch+json"
        return self._namespace.cluster.request("PATCH", path, body, content)

    def _persist(self, write: Callable[[], Any]) -> None:
        """Try until it is taken, or the Job is gone: the job controller writes at the same time."""

        def taken() -> bool:
            try:
                write()
            except Refused as refused:
                return refused.args[0] == 404
            return True

        wait_until(taken, "the Job takes Kueue's write", within=60)


def _waiting(namespace: Namespace) -> tuple[Run, Object]:
    namespace.pool(concurrency=1, job={"labels": {"kueue.x-k8s.io/queue-name": "team-a"}})
    run = namespace.run(namespace.flow("attempts", env=SHOWN))
    return run, run.until(_is_held, "it waits")


def _words_of_the_pool(namespace: Namespace) -> str:
    path = f"{GROUP}/namespaces/{namespace.name}/workpools/default"
    status = namespace.cluster.request("GET", path)["status"]
    return " ".join(each["message"] for each in status.get("conditions", []))


def _is_held(status: Object) -> bool:
    return status.get("reason") == "WaitingForAdmission"


def test_a_run_that_a_queue_admits_and_preempts_goes_on_where_it_was(namespace: Namespace) -> None:
    kueue = Kueue(namespace)
    run, waits = _waiting(namespace)
    told = "Not started yet, though they hold a slot: 1 WaitingForAdmission."
    wait_until(lambda: told in _words_of_the_pool(namespace), "its pool tells", within=60)
    kueue.admit(f"{run.name}-1")
    seen = run.until(lambda status: progress(status) >= 4, "it has finished some tasks")

    kueue.preempt(f"{run.name}-1")
    again = run.until(lambda status: status["attempt"] == 2 and _is_held(status), "it waits again")
    kueue.admit(f"{run.name}-2")
    status = run.end()

    (lost,) = namespace.lost_attempts()
    assert "Kueue has taken its place away. Attempt 2 is being started" in lost
    assert waits["waitingFor"]["name"] == "team-a"
    assert "kubectl describe workloads -l kueue.x-k8s.io/job-uid=" in waits["message"]
    assert (again["state"], again["recoveries"]) == ("Pending", 1)
    assert (status["state"], status["attempt"]) == ("Completed", 2)
    assert result(status).count(1) >= progress(seen)


def test_a_run_that_gets_its_place_back_while_its_pod_leaves_loses_nothing(
    namespace: Namespace,
) -> None:
    """Whether the Job gets a second pod, or its first is never told to leave, is up to timing."""
    kueue = Kueue(namespace)
    run, _ = _waiting(namespace)
    kueue.admit(f"{run.name}-1")
    seen = run.until(lambda status: progress(status) >= 4, "it has finished some tasks")

    def ends_while_all_are_admitted(status: Object) -> bool:
        with suppress(Refused):  # there is none at the moment
            kueue.admit(f"{run.name}-{status['attempt']}")
        return status["state"] in TERMINAL

    kueue.preempt(f"{run.name}-1")
    status = run.until(ends_while_all_are_admitted, "it ends", within=120)

    assert status["state"] == "Completed"
    assert status.get("recoveries", 0) <= 1
    assert result(status).count(1) >= progress(seen)
