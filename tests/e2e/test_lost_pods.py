"""Pods, Jobs and processes vanish under a run, and it goes on."""

from tests.e2e.hosts import kill, processes_of_pod
from tests.e2e.namespaces import Namespace


def test_a_deleted_pod_is_replaced(namespace: Namespace) -> None:
    run = namespace.started("long_first_attempt")
    namespace.kubectl("delete", "pod", run.pod(), "--wait=false")

    status = run.end()

    assert (status["state"], status["attempt"], status["recoveries"]) == ("Completed", 2, 1)
    assert status["execution"]["progress"] == "3/3"


def test_a_deleted_job_is_replaced(namespace: Namespace) -> None:
    run = namespace.started("long_first_attempt")
    namespace.kubectl("delete", "job", f"{run.name}-1", "--wait=false")

    status = run.end()

    assert (status["state"], status["attempt"], status["recoveries"]) == ("Completed", 2, 1)


def test_a_killed_runner_is_replaced(namespace: Namespace) -> None:
    """SIGKILL leaves no report, so the exit code alone tells."""
    run = namespace.started("long_first_attempt")
    kill(processes_of_pod(run.pod()), "the runner")

    status = run.end()

    assert (status["state"], status["attempt"], status["crashes"]) == ("Completed", 2, 1)


def test_every_attempt_runs_the_code_that_the_first_one_ran(namespace: Namespace) -> None:
    """A Flow that changes under a run changes the next run, not this one."""
    run = namespace.started("long_first_attempt")
    namespace.kubectl(
        "patch", "flow", run.name, "--type=merge", "-p", '{"spec": {"entrypoint": "flows.py:fail"}}'
    )
    namespace.kubectl("delete", "pod", run.pod(), "--wait=false")

    status = run.end()

    assert (status["state"], status["attempt"]) == ("Completed", 2)
