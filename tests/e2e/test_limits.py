"""Limits that runs share, and pools that are drained, with pods."""

from tests.e2e.namespaces import Namespace
from tests.e2e.test_durability import SHOWN, SOON, progress, result


def test_who_waits_for_a_slot_has_no_pod_and_gets_it_in_turn(namespace: Namespace) -> None:
    namespace.limit("database", limit=1)
    namespace.pool()
    flow = namespace.flow("exclusive", env=SOON)
    first = namespace.run(flow, {"seconds": 15}, name="first")
    first.until(lambda status: progress(status) >= 1, "it holds the slot")
    second = namespace.run(flow, {"seconds": 0}, name="second")

    waiting = second.until(lambda status: status["state"] == "Suspended", "it waits")
    ended = [first.end(), second.end()]

    (began, gave_back), (took, _) = map(result, ended)
    assert (waiting["waitingFor"]["kind"], waiting["waitingFor"]["name"]) == (
        "ConcurrencyLimit",
        "database",
    )
    assert [each["state"] for each in ended] == ["Completed", "Completed"]
    assert [each["attempt"] for each in ended] == [1, 2]
    assert began < gave_back <= took


def test_runs_of_a_flow_take_shared_slots_before_they_have_a_pod(namespace: Namespace) -> None:
    namespace.limit("licence", limit=1)
    namespace.pool()
    limits = [{"name": "licence"}]
    flow = namespace.flow("steps", concurrencyLimits=limits)
    first = namespace.run(flow, {"count": 60}, name="first")
    first.until(lambda status: status["state"] == "Running", "it runs")
    second = namespace.run(flow, {"count": 1}, name="second")

    waiting = second.until(lambda status: "waitingFor" in status, "it waits")
    jobs = namespace.jobs()
    ended = [first.end(), second.end()]

    assert waiting["waitingFor"]["kind"] == "ConcurrencyLimit"
    assert jobs == ["first-1"]
    assert [each["state"] for each in ended] == ["Completed", "Completed"]
    assert ended[1]["startedAt"] >= ended[0]["finishedAt"]


def test_a_pool_that_is_suspended_with_its_runs_has_no_pods(namespace: Namespace) -> None:
    run = namespace.started("attempts", env=SHOWN)
    run.until(lambda status: progress(status) >= 3, "it has finished some tasks")
    _suspend(namespace, '"Running"')
    run.until(lambda status: status["state"] == "Suspended", "it is suspended")
    run.until(lambda _: not namespace.pods(), "its pod has ended")
    _suspend(namespace, "false")

    status = run.end()

    assert (status["state"], status["attempt"]) == ("Completed", 2)
    assert status.get("recoveries", 0) == 0
    assert result(status).count(1) >= 3


def _suspend(namespace: Namespace, value: str) -> None:
    change = f'{{"spec": {{"suspend": {value}}}}}'
    namespace.kubectl("patch", "workpool", "default", "--type=merge", "-p", change)
