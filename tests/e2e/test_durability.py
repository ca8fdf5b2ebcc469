"""What tasks have finished is not done again, and a run that waits has no pod.

Each task returns the number of the attempt that ran it; what was finished keeps its number.
"""

import ast
from typing import Any

from tests.e2e.cluster import ROOT, Object, wait_until
from tests.e2e.hosts import kill, processes_of_pod
from tests.e2e.namespaces import Namespace, Run

SHOWN = [{"name": "PENSTOCK_RESULT_PREVIEW", "value": "true"}]
SOON = [*SHOWN, {"name": "PENSTOCK_LINGER_SECONDS", "value": "2"}]


def result(status: Object) -> Any:
    return ast.literal_eval(status["execution"]["result"]["preview"])


def progress(status: Object) -> int:
    return int(status.get("execution", {}).get("progress", "0/0").partition("/")[0])


def pods(namespace: Namespace) -> list[str]:
    """Return the pods that have not ended."""
    selector = "--field-selector=status.phase!=Succeeded,status.phase!=Failed"
    return namespace.kubectl("get", "pods", selector, "-o", "name").split()


def test_a_run_whose_pod_is_deleted_goes_on_from_what_it_had_finished(
    namespace: Namespace,
) -> None:
    run = namespace.started("attempts", env=SHOWN)
    seen = run.until(lambda status: progress(status) >= 4, "it has finished some tasks")
    namespace.kubectl("delete", "pod", run.pod(), "--wait=false")

    status = run.end()

    found = result(status)
    assert (status["state"], status["attempt"]) == ("Completed", 2)
    assert status["execution"]["progress"] == "20/20"
    assert found == sorted(found)
    assert found.count(1) >= progress(seen)
    assert found.count(2) >= 1


def test_a_run_whose_process_is_killed_goes_on_too(namespace: Namespace) -> None:
    """Nothing could be said on the way out."""
    run = namespace.started("attempts", env=SHOWN)
    seen = run.until(lambda status: progress(status) >= 4, "it has finished some tasks")
    kill(processes_of_pod(run.pod()), "the runner")

    status = run.end()

    assert (status["state"], status["attempt"]) == ("Completed", 2)
    assert result(status).count(1) >= progress(seen)


def test_the_journal_goes_with_its_run(namespace: Namespace) -> None:
    run = namespace.started("attempts", {"count": 3})
    run.end()
    kept = namespace.kubectl("get", "journalsegments", "-o", "name").split()
    namespace.kubectl("delete", "flowrun", run.name, "--cascade=foreground", "--timeout=60s")

    left = namespace.kubectl("get", "journalsegments", "-o", "name").split()

    assert kept
    assert left == []


def test_a_run_that_sleeps_has_no_pod(namespace: Namespace) -> None:
    run = namespace.started("nap", {"seconds": 25}, env=SOON)
    suspended = run.until(lambda status: status["state"] == "Suspended", "it is suspended")
    without = run.until(lambda _: not pods(namespace), "its pod has ended", within=20)

    status = run.end()

    assert suspended["waitingFor"]["kind"] == "Sleep"
    assert without["state"] == "Suspended"
    assert status["state"] == "Completed"
    assert (status["attempt"], status.get("recoveries", 0)) == (2, 0)
    assert result(status) == [1, 2]


def test_a_run_is_suspended_and_goes_on_when_it_may(namespace: Namespace) -> None:
    run = namespace.started("attempts", env=SHOWN)
    run.until(lambda status: progress(status) >= 3, "it has finished some tasks")
    run.patch({"suspend": True})
    run.until(lambda status: status["state"] == "Suspended", "it is suspended", within=60)
    run.until(lambda _: not pods(namespace), "its pod has ended", within=30)
    run.patch({"suspend": False})

    status = run.end()

    assert (status["state"], status["attempt"]) == ("Completed", 2)
    assert status.get("recoveries", 0) == 0
    assert result(status).count(1) >= 3


def test_a_suspended_run_that_is_cancelled_ends_without_a_pod(namespace: Namespace) -> None:
    run = namespace.started("nap", {"seconds": 3600}, env=SOON)
    run.until(lambda status: status["state"] == "Suspended", "it is suspended", within=60)
    run.patch({"cancel": True})

    status = run.end(within=30)

    assert (status["state"], status["attempt"]) == ("Cancelled", 1)


def test_a_person_approves_a_run_that_has_no_pod(namespace: Namespace) -> None:
    """The example as it stands; what was built before the wait is not built again."""
    approval = f"{ROOT}/examples/approval"
    namespace.kubectl("apply", "-f", f"{ROOT}/examples/pool.yaml", "-f", f"{approval}/flow.yaml")
    created = namespace.kubectl("create", "-f", f"{approval}/run.yaml", "-o", "name").strip()
    run = Run(namespace, created.rpartition("/")[2])
    suspended = run.until(lambda status: status["state"] == "Suspended", "it waits")
    run.until(lambda _: not pods(namespace), "its pod has ended", within=30)

    code, said = namespace.penstock("approve", run.name, "--comment", "looks good")
    status = run.end()

    assert suspended["waitingFor"]["name"] == "approval"
    assert code == 0, said
    assert (status["state"], status["attempt"]) == ("Completed", 2)
    assert "app-1.4.2.tar.gz released, approved by" in result(status)
    assert status["execution"]["progress"] == "2/2"
    signals = namespace.kubectl("get", "signals", "--no-headers")
    wait_until(
        lambda: "Consumed" in namespace.kubectl("get", "signals", "--no-headers"),
        f"the signal is consumed: {signals}",
        within=30,
    )
