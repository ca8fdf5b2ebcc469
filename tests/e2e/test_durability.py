"""What tasks have finished is not done again, and a run that waits has no pod.

Each task returns the number of the attempt that ran it; what was finished keeps its number.
"""

import ast
import json
from typing import Any

from tests.e2e.cluster import Object
from tests.e2e.hosts import kill, processes_of_pod
from tests.e2e.namespaces import Namespace

SHOWN = [{"name": "PENSTOCK_RESULT_PREVIEW", "value": "true"}]
SOON = [*SHOWN, {"name": "PENSTOCK_LINGER_SECONDS", "value": "2"}]


def result(status: Object) -> Any:
    return ast.literal_eval(status["execution"]["result"]["preview"])


def progress(status: Object) -> int:
    return int(status.get("execution", {}).get("progress", "0/0").partition("/")[0])


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
    without = run.until(lambda _: not namespace.pods(), "its pod has ended", within=60)

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
    run.until(lambda _: not namespace.pods(), "its pod has ended")
    run.patch({"suspend": False})

    status = run.end()

    assert (status["state"], status["attempt"]) == ("Completed", 2)
    assert status.get("recoveries", 0) == 0
    assert result(status).count(1) >= 3


def test_a_suspended_run_that_is_cancelled_ends_without_a_pod(namespace: Namespace) -> None:
    run = namespace.started("nap", {"seconds": 3600}, env=SOON)
    run.until(lambda status: status["state"] == "Suspended", "it is suspended", within=60)
    run.patch({"cancel": True})

    status = run.end()

    assert (status["state"], status["attempt"]) == ("Cancelled", 1)


def test_an_update_wakes_a_run_that_has_no_pod_and_gets_its_answer(namespace: Namespace) -> None:
    run = namespace.started("limits", env=SOON)
    run.until(lambda status: status["state"] == "Suspended", "it waits", within=60)

    refused = namespace.penstock("update", run.name, "limit", "--payload", "500")
    accepted = namespace.penstock("update", run.name, "limit", "--payload", "5")
    status = run.end()
    late = namespace.penstock("update", run.name, "limit")

    assert refused[0] == 1
    assert "The update was rejected: 500 is too much." in refused[1]
    assert (accepted[0], json.loads(accepted[1])) == (0, {"limit": 5})
    assert result(status) == 5
    assert late[0] == 2
    assert "has ended already" in late[1]
