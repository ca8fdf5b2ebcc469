"""The process itself ends badly."""

from tests.e2e.namespaces import Namespace

LAUNCHES = (3, 4)
"""The first stored the result of a task. It may have died before it told of that; then the second
counts as the one that came further, and two more do not."""
LITTLE_MEMORY = {"requests": {"memory": "96Mi"}, "limits": {"memory": "96Mi"}}


def test_a_flow_that_always_outgrows_its_memory_crashes(namespace: Namespace) -> None:
    """A few launches, not ten, and the sentence names the limit's mend."""
    namespace.pool()
    run = namespace.run(namespace.flow("eat_memory", resources=LITTLE_MEMORY))

    status = run.end(within=180)

    assert (status["state"], status["reason"]) == ("Crashed", "OutOfMemory")
    assert status["attempt"] in LAUNCHES
    assert "memory" in status["message"]


def test_a_flow_that_outgrows_its_memory_once_recovers(namespace: Namespace) -> None:
    namespace.pool()
    run = namespace.run(namespace.flow("eat_memory", resources=LITTLE_MEMORY), {"attempts": 1})

    status = run.end(within=120)

    assert (status["state"], status["attempt"], status["crashes"]) == ("Completed", 2, 1)


def test_a_process_that_always_exits_crashes(namespace: Namespace) -> None:
    namespace.pool()
    run = namespace.run(namespace.flow("leave"), {"code": 7})

    status = run.end(within=180)

    assert (status["state"], status["reason"]) == ("Crashed", "ProcessExited")
    assert status["attempt"] in LAUNCHES
    assert "7" in status["message"]


def test_a_flow_that_calls_sys_exit_crashes_at_once(namespace: Namespace) -> None:
    namespace.pool()
    run = namespace.run(namespace.flow("leave"), {"code": 7, "politely": True})

    status = run.end()

    assert (status["state"], status["reason"], status["attempt"]) == ("Crashed", "UserExit", 1)


def test_a_flow_that_raises_fails_with_its_traceback(namespace: Namespace) -> None:
    namespace.pool()
    run = namespace.run(namespace.flow("fail"), {"message": "the well is dry"})

    status = run.end()

    assert (status["state"], status["reason"], status["attempt"]) == ("Failed", "FlowFailed", 1)
    error = status["execution"]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "the well is dry")
    assert "flows.py" in error["traceback"]


def test_an_entrypoint_that_does_not_exist_fails_and_says_so(namespace: Namespace) -> None:
    namespace.pool()
    run = namespace.run(namespace.flow("no_such_function"))

    status = run.end()

    assert (status["state"], status["reason"]) == ("Failed", "EntrypointNotLoaded")
    assert "no_such_function" in status["message"]
