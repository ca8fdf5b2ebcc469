"""A run is ended from outside: by a person, or by its own time limit."""

from datetime import datetime

from tests.e2e.cluster import wait_until
from tests.e2e.namespaces import Namespace
from tests.e2e.test_durability import progress


def test_a_cancelled_flow_cleans_up(namespace: Namespace) -> None:
    run = namespace.started("tidy")
    logs = namespace.follow_pod(run.pod())
    assert logs.stdout is not None
    logs.stdout.readline()  # then kubectl is attached; after its pod has gone it would read nothing
    run.until(lambda status: progress(status) >= 1, "its body is at work")
    run.patch({"cancel": True})

    status = run.end()

    assert (status["state"], status["reason"], status["attempt"]) == (
        "Cancelled",
        "CancelRequested",
        1,
    )
    assert "cleaned up" in logs.communicate(timeout=60)[0]


def test_the_command_line_cancels_too(namespace: Namespace) -> None:
    run = namespace.started("tidy")
    namespace.penstock("cancel", run.name)

    status = run.end()

    assert status["state"] == "Cancelled"


def test_a_run_that_takes_too_long_fails(namespace: Namespace) -> None:
    run = namespace.started("tidy", timeoutSeconds=5)

    status = run.end()

    assert (status["state"], status["reason"]) == ("Failed", "TimedOut")
    started, finished = (datetime.fromisoformat(status[key]) for key in ("startedAt", "finishedAt"))
    assert 4 <= (finished - started).total_seconds() < 90
    wait_until(lambda: namespace.jobs() == [], "its Job is gone", within=60)


def test_a_deleted_run_takes_its_pod_along(namespace: Namespace) -> None:
    run = namespace.started("tidy")
    namespace.kubectl("delete", "flowrun", run.name)

    wait_until(lambda: namespace.jobs() == [], "its Job is gone", within=60)
