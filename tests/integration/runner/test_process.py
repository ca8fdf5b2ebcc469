"""The whole runner as a process: what it exits with and reports, whatever the flow does."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.runner.faulty_server import Answer, FaultyServer
from tests.integration.runner.processes import Place, RunnerProcess

Start = Callable[..., RunnerProcess]

PRELUDE = """
import hashlib, os, sys, threading, time
from penstock import flow, get_run_logger, task
"""
WAITING = """
@task
def wait():
    print("waiting", flush=True)
    time.sleep(60)

@flow
def daily():
    try:
        wait.submit().result()
    finally:
        print("cleaned up")
"""
TICKING = """
@task
def tick():
    time.sleep(0.05)

@flow
def daily():
    print("waiting")
    try:
        while True:
            tick()
    finally:
        print("cleaned up")
"""
ASYNC = """
import asyncio

@task
async def tick():
    await asyncio.sleep(0.05)

@flow
async def daily():
    print("waiting")
    try:
        while True:
            await tick()
    finally:
        print("cleaned up")
"""
STUCK = """
@flow
def daily():
    print("waiting")
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)  # not interrupted by signals
"""


@pytest.fixture
def start(server: FaultyServer, tmp_path: Path) -> Iterator[Start]:
    """Start a runner with this code and these fields of the launch."""
    started: list[RunnerProcess] = []

    def start(code: str, *, grace_seconds: int = 30, env: dict[str, str] | None = None, **launch):
        place = Place(
            folder=tmp_path,
            host="127.0.0.1",
            port=server.port,
            credentials=server.credentials,
            grace_seconds=grace_seconds,
        )
        launch = {"entrypoint": "flow.py:daily", "parameters": {}} | launch
        started.append(
            RunnerProcess(place, code=PRELUDE + textwrap.dedent(code), launch=launch, **(env or {}))
        )
        return started[-1]

    yield start
    for process in started:
        process.close()


def outcome(server: FaultyServer) -> tuple[str, str]:
    outcome = server.reports[-1]["outcome"]
    return outcome["state"], outcome["reason"]


def test_a_flow_completes_with_its_tasks_counted(server: FaultyServer, start: Start) -> None:
    runner = start(
        """
        @task
        def double(x):
            return 2 * x

        @flow
        def daily(numbers: list[int]):
            return sum(double.map(numbers).result())
        """,
        parameters={"numbers": [1, 2, 3]},
    )

    assert runner.exit_code() == 0
    assert outcome(server) == ("Completed", "Completed")
    report = server.reports[-1]
    assert report["progress"] == "3/3"
    assert report["tasks"] == [
        {"name": "double", "total": 3, "completed": 3, "running": 0, "failed": 0, "cancelled": 0}
    ]
    assert report["result"] == {"type": "int"}


def test_a_flow_knows_which_flow_object_it_runs_for(server: FaultyServer, start: Start) -> None:
    runner = start(
        """
        from penstock import runtime

        @flow(version="7")
        def daily(x: int = 1):
            found = runtime.deployment
            print("told", found.id, found.name, found.version, found.parameters)
        """,
        parameters={"x": 2},
    )

    runner.wait_for_line("told default/daily daily 7 {'x': 2}")
    assert runner.exit_code() == 0


def test_artifacts_and_events_are_indexed_in_the_report(server: FaultyServer, start: Start) -> None:
    runner = start(
        """
        from penstock.artifacts import Artifact, create_markdown_artifact, create_progress_artifact
        from penstock.artifacts import update_progress_artifact
        from penstock.events import emit_event
        from penstock.task_runners import ProcessPoolTaskRunner

        @task
        def load():
            create_markdown_artifact("# All 7 orders", key="orders", description="daily")
            emit_event("order.shipped", {"penstock.resource.id": "order-7"})

        @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
        def daily():
            progress = create_progress_artifact(0, key="loading")
            load.submit().result()
            update_progress_artifact(progress, 100)
            print(Artifact.get("orders").data)
        """
    )

    assert runner.exit_code() == 0, runner.output
    report = server.reports[-1]
    assert [(each.pop("at")[-1], each) for each in report["artifacts"]] == [
        (
            "Z",
            {
                "key": "orders",
                "type": "markdown",
                "description": "daily",
                "taskRun": "load-0",
                "preview": "# All 7 orders",
            },
        ),
        ("Z", {"key": "loading", "type": "progress", "preview": "100 %"}),
    ]
    assert (report["artifactCount"], report["events"]["count"]) == (2, 1)
    (event,) = report["events"]["recent"]
    assert (event["event"], event["resource"]) == ("order.shipped", "order-7")
    assert "# All 7 orders" in runner.output


def test_the_run_s_parameters_come_first(server: FaultyServer, start: Start) -> None:
    assert server.run is not None
    server.run["spec"]["parameters"] = {"day": "2026-11-20"}
    runner = start(
        """
        @flow
        def daily(day: str, where: str):
            return f"{day} {where}"
        """,
        parameters={"day": "never", "where": "here"},
        env={"PENSTOCK_RESULT_PREVIEW": "true"},
    )

    assert runner.exit_code() == 0
    assert server.reports[-1]["result"] == {"type": "str", "preview": "'2026-11-20 here'"}


def test_a_failed_flow_is_reported_with_the_user_s_traceback(
    server: FaultyServer, start: Start
) -> None:
    runner = start(
        """
        @flow
        def daily():
            raise ValueError("no such day")
        """
    )

    assert runner.exit_code() == 1
    assert outcome(server) == ("Failed", "FlowFailed")
    error = server.reports[-1]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "no such day")
    assert 'raise ValueError("no such day")' in error["traceback"]
    assert "penstock/runner" not in error["traceback"]
    assert 'raise ValueError("no such day")' in runner.output


def test_parameters_that_do_not_fit_are_named(server: FaultyServer, start: Start) -> None:
    runner = start(
        """
        @flow
        def daily(number: int):
            return number
        """,
        parameters={"number": "many"},
    )

    assert runner.exit_code() == 1
    assert outcome(server) == ("Failed", "InvalidParameters")
    assert "number" in server.reports[-1]["outcome"]["message"]


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("def daily(:\n", "SyntaxError"),
        ("def other(): ...\n", "daily"),
    ],
    ids=["failing import", "syntax error", "no such function"],
)
def test_an_entrypoint_that_leads_to_no_flow_is_explained(
    server: FaultyServer, start: Start, code: str, part: str
) -> None:
    runner = start(code)

    assert runner.exit_code() == 1
    assert outcome(server) == ("Failed", "EntrypointNotLoaded")
    report = server.reports[-1]
    assert part in report["outcome"]["message"] + report["error"]["traceback"]
    assert part in runner.output


@pytest.mark.parametrize("leave", ["sys.exit(5)", "sys.exit()", "raise KeyboardInterrupt"])
def test_a_flow_that_leaves_the_process_crashes(
    server: FaultyServer, start: Start, leave: str
) -> None:
    runner = start(
        f"""
        @flow
        def daily():
            {leave}
        """
    )

    assert runner.exit_code() == 3
    assert outcome(server) == ("Crashed", "UserExit")


def test_an_import_that_leaves_the_process_is_no_silent_end(
    server: FaultyServer, start: Start
) -> None:
    runner = start("sys.exit(7)\n")

    assert runner.exit_code() in (1, 3)
    assert server.reports[-1]["outcome"]["state"] in ("Failed", "Crashed")


def test_prints_and_logs_are_readable_at_once(start: Start, server: FaultyServer) -> None:
    runner = start(
        """
        @task
        def say():
            get_run_logger().info("from the task")
            time.sleep(30)

        @flow
        def daily():
            print("from the flow")
            say()
        """
    )

    assert runner.wait_for_line("from the flow") == "from the flow"
    assert runner.wait_for_line("from the task").endswith("say-0 | from the task")


def test_a_thread_that_is_left_over_does_not_hold_the_pod(
    server: FaultyServer, start: Start
) -> None:
    runner = start(
        """
        @flow
        def daily():
            threading.Thread(target=time.sleep, args=(300,)).start()
        """
    )

    assert runner.exit_code() == 0
    assert outcome(server) == ("Completed", "Completed")


@pytest.mark.parametrize(
    "code",
    [WAITING, TICKING, ASYNC, STUCK],
    ids=["waiting", "busy", "in an event loop", "in a C call"],
)
def test_a_disruption_ends_the_process_at_once(
    server: FaultyServer, start: Start, code: str
) -> None:
    runner = start(code)
    runner.wait_for_line("waiting")

    asked = time.monotonic()
    runner.signal(signal.SIGTERM)

    assert runner.exit_code() == 143
    assert time.monotonic() - asked < 20, "the grace period is longer"
    assert "outcome" not in server.reports[-1]
    assert "cleaned up" not in runner.output


@pytest.mark.parametrize(
    "code", [WAITING, TICKING, ASYNC], ids=["waiting", "busy", "in an event loop"]
)
def test_a_cancel_lets_the_flow_clean_up(server: FaultyServer, start: Start, code: str) -> None:
    runner = start(code)
    runner.wait_for_line("waiting")
    assert server.run is not None
    server.run["spec"]["cancel"] = True

    runner.signal(signal.SIGTERM)

    assert runner.exit_code() == 4
    assert outcome(server) == ("Cancelled", "CancelRequested")
    assert "cleaned up" in runner.output


def test_a_cancelled_flow_in_a_c_call_is_left_behind(server: FaultyServer, start: Start) -> None:
    runner = start(STUCK, grace_seconds=8)
    runner.wait_for_line("waiting")
    assert server.run is not None
    server.run["spec"]["cancel"] = True

    asked = time.monotonic()
    runner.signal(signal.SIGTERM)

    assert runner.exit_code() == 4
    assert time.monotonic() - asked < 8
    assert outcome(server) == ("Cancelled", "CancelRequested")


def test_a_run_cancelled_before_its_pod_started_runs_nothing(
    server: FaultyServer, start: Start
) -> None:
    assert server.run is not None
    server.run["spec"]["cancel"] = True

    runner = start(TICKING)

    assert runner.exit_code() == 4
    assert outcome(server) == ("Cancelled", "CancelRequested")
    assert "waiting" not in runner.output


def test_a_fenced_runner_stops_in_the_middle_of_its_flow(
    server: FaultyServer, start: Start
) -> None:
    runner = start(TICKING)
    runner.wait_for_line("waiting")
    assert server.run is not None
    server.run["status"]["attempt"] = 2

    assert runner.exit_code() == 70
    assert "attempt 2" in runner.output
    assert "cleaned up" not in runner.output


def test_the_api_server_may_be_away_while_the_flow_ends(server: FaultyServer, start: Start) -> None:
    runner = start(
        """
        @flow
        def daily():
            print("waiting")
            time.sleep(0.3)
        """
    )
    runner.wait_for_line("waiting")
    server.stop()
    time.sleep(0.5)
    server.start()

    assert runner.exit_code() == 0
    assert outcome(server) == ("Completed", "Completed")


def test_a_slow_start_of_the_api_server_is_waited_for(server: FaultyServer, start: Start) -> None:
    server.faults["GET"].extend([Answer(500), Answer(429, retry_after="0.2"), Answer(503)])

    runner = start("@flow\ndef daily(): ...\n")

    assert runner.exit_code() == 0
    assert outcome(server) == ("Completed", "Completed")


def test_outside_a_pod_it_says_what_to_type(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "penstock.runner"],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "penstock run FILE:FLOW" in done.stderr
    assert "Traceback" not in done.stderr
