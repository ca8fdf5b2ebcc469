"""The command line, where it needs real pods."""

import json

from tests.e2e.namespaces import Namespace


def test_a_watched_run_ends_with_the_exit_code_of_its_outcome(namespace: Namespace) -> None:
    namespace.pool()
    outcomes = {
        namespace.flow("steps"): (["-p", "count=2"], 0),
        namespace.flow("fail"): (["-p", "message=the well is dry"], 1),
        namespace.flow("leave"): (["-p", "code=7", "-p", "politely=true"], 3),
    }

    exits = {
        flow: namespace.penstock("run", flow, *parameters, "--watch")[0]
        for flow, (parameters, _) in outcomes.items()
    }

    assert exits == {flow: code for flow, (_, code) in outcomes.items()}


def test_logs_are_followed_to_the_end_of_a_run(namespace: Namespace) -> None:
    namespace.started("tidy")
    logs = namespace.follow_logs("tidy")
    namespace.penstock("cancel", "tidy")

    printed = logs.communicate(timeout=60)[0]

    assert "cleaned up" in printed


def test_the_artifacts_of_a_run_are_read_back(namespace: Namespace) -> None:
    namespace.pool()
    run = namespace.run(namespace.flow("leave_records"))

    status = run.end()
    code, printed = namespace.penstock("artifacts", run.name, "-o", "json")

    assert (status["state"], code) == ("Completed", 0)
    (artifact,) = json.loads(printed)
    assert (artifact["key"], artifact["taskRun"], artifact["preview"]) == (
        "orders",
        "describe-0",
        "# 7 orders",
    )
    assert status["execution"]["events"]["count"] == 1
