"""Tasks in worker processes."""

import ctypes
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from penstock import (
    PenstockFuture,
    flow,
    get_run_logger,
    get_state_value,
    heartbeat,
    runtime,
    set_state_value,
    tags,
    task,
)
from penstock.artifacts import (
    Artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from penstock.drivers.channel import Channel
from penstock.engine.runs import Deployed
from penstock.errors import CrashedRun, HeartbeatTimeout, UnpicklableError, WorkerDied
from penstock.events import emit_event
from penstock.execution import RunContext, execute
from penstock.task_runners import ProcessPoolTaskRunner

CALLS: list[int] = []
PAGE = (Path(__file__).parents[2] / "docs/task-runners.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def runner() -> Iterator[ProcessPoolTaskRunner]:
    pool = ProcessPoolTaskRunner(max_workers=2)
    yield pool
    pool.close()


@task
def double(x: int) -> int:
    return 2 * x


@task
async def double_later(x: int) -> int:
    return 2 * x


@task
def process() -> int:
    return os.getpid()


@task
def leave(code: int) -> None:
    os._exit(code)


@task
def crash() -> None:
    ctypes.string_at(0)


@task
def exit_politely() -> None:
    sys.exit(4)


@task(timeout_seconds=0.3)
def endless() -> None:
    while True:
        time.sleep(1)


@task
def identity(first: object, second: object = None) -> object:
    return first


@task
def make_lock() -> object:
    return threading.Lock()


@task(retries=2)
def succeed_third(path: str) -> int:
    with Path(path).open("a") as file:
        file.write("x")
    attempts = len(Path(path).read_text())
    if attempts < 3:
        raise ConnectionError(f"attempt {attempts}")
    return attempts


@task(retries=1)
def flaky(x: int) -> int:
    CALLS.append(x)
    if len(CALLS) % 2:
        raise ConnectionError
    return double(x)


@task
def nest(x: int) -> list[int]:
    return [flaky(x), double(x)]


@task
def tell() -> list[object]:
    get_run_logger().info("logged")
    get_run_logger().debug("not wanted")
    print("printed")
    return [runtime.task_run.name, runtime.flow_run.flow_name, sorted(runtime.task_run.tags)]


class Odd(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@task
def raise_odd() -> None:
    raise Odd(1, 2)


def test_bodies_run_in_processes_that_stay_warm_from_run_to_run(
    runner: ProcessPoolTaskRunner,
) -> None:
    @flow(task_runner=runner)
    def run() -> set[int]:
        return {process.submit().result() for _ in range(4)}

    first, second = run(), run()

    assert os.getpid() not in first
    assert first == second


def test_sync_and_async_tasks_return_their_values(runner: ProcessPoolTaskRunner) -> None:
    @flow(task_runner=runner)
    def run() -> list[object]:
        both = double_later.submit(double.submit(1))
        return [*double.map(range(5)).result(), both.result()]

    assert run() == [0, 2, 4, 6, 8, 4]


@pytest.mark.parametrize("size", [0, 65_528, 65_536, 20_000_000])
def test_arguments_and_results_of_any_size_travel(runner: ProcessPoolTaskRunner, size: int) -> None:
    payload = os.urandom(16) * (size // 16)

    @flow(task_runner=runner)
    def run() -> object:
        return identity.submit(payload).result()

    assert run() == payload


def test_a_function_that_no_worker_can_import_travels_as_code(
    runner: ProcessPoolTaskRunner,
) -> None:
    offset = 10

    @task
    def add(x: int) -> int:
        return x + offset

    @flow(task_runner=runner)
    def run() -> int:
        return add.submit(1).result()

    assert run() == 11


@pytest.mark.parametrize("code", [3, 0])
def test_a_worker_that_dies_fails_its_task_with_the_exit_code_and_the_pool_goes_on(
    runner: ProcessPoolTaskRunner, code: int
) -> None:
    """Prefect 3.8.8: of three tasks, one of which calls ``os._exit(7)``, two raise
    ``BrokenProcessPool``, and so does whatever is submitted after: "the process pool is not usable
    anymore". The exit code is nowhere; two servers of the workers stayed behind."""

    @flow(task_runner=runner)
    def run() -> tuple[object, list[int]]:
        lost, rest = leave.submit(code), double.map(range(6))
        return lost.result(raise_on_failure=False), rest.result()

    error, rest = run()

    assert isinstance(error, WorkerDied)
    assert f"exit code {code};" in str(error)
    assert rest == [0, 2, 4, 6, 8, 10]


def test_a_segmentation_fault_is_named(runner: ProcessPoolTaskRunner) -> None:
    @flow(task_runner=runner)
    def run() -> object:
        return crash.submit().result(raise_on_failure=False)

    assert signal.SIGSEGV.name in str(run())


def test_sys_exit_in_a_worker_is_a_crash_of_the_task_alone(runner: ProcessPoolTaskRunner) -> None:
    @flow(task_runner=runner)
    def run() -> str:
        with pytest.raises(CrashedRun):
            exit_politely.submit().result()
        return "went on"

    assert run() == "went on"


def test_an_argument_that_cannot_be_pickled_is_named(runner: ProcessPoolTaskRunner) -> None:
    """Prefect 3.8.8: ``TypeError: cannot pickle '_thread.lock' object``, without saying which."""

    @flow(task_runner=runner)
    def run() -> None:
        identity.submit(1, second=[threading.Lock()]).result()

    with pytest.raises(UnpicklableError, match="The argument second of identity-0 cannot be sent"):
        run()


def test_a_result_that_cannot_be_pickled_is_named(runner: ProcessPoolTaskRunner) -> None:
    @flow(task_runner=runner)
    def run() -> None:
        make_lock.submit().result()

    with pytest.raises(UnpicklableError, match="The result of make_lock-0, a lock, cannot be sent"):
        run()


def test_a_time_out_ends_the_wait_on_time_and_kills_the_process(
    runner: ProcessPoolTaskRunner,
) -> None:
    """Prefect: the wait lasts as long as the body does."""

    @flow(task_runner=runner)
    def run() -> tuple[str, float, int]:
        double.map([1, 2]).result()  # warm
        began = time.monotonic()
        future = endless.submit()
        future.wait()
        return future.state.name, time.monotonic() - began, double.submit(2).result()

    state, seconds, after = run()

    assert state == "TimedOut"
    assert seconds < 30
    assert after == 4


def test_the_engine_retries_and_nobody_else(runner: ProcessPoolTaskRunner, tmp_path: Path) -> None:
    @flow(task_runner=runner)
    def run() -> int:
        return succeed_third.submit(str(tmp_path / "attempts")).result()

    assert run() == 3


def test_tasks_in_a_remote_body_are_plain_calls_with_retries(
    runner: ProcessPoolTaskRunner,
) -> None:
    @flow(task_runner=runner)
    def run() -> list[int]:
        return nest.submit(4).result()

    assert run() == [8, 8]


def test_logs_and_prints_travel_back_and_the_body_knows_its_run(
    runner: ProcessPoolTaskRunner, caplog: pytest.LogCaptureFixture
) -> None:
    @flow(task_runner=runner, log_prints=True)
    def run() -> list[object]:
        with tags("nightly"):
            return tell.submit().result()

    with caplog.at_level(logging.INFO, logger="penstock"):
        known = run()

    lines = [(r.task_run_name, r.message) for r in caplog.records if r.name == "penstock.task_runs"]
    assert lines == [("tell-0", "logged"), ("tell-0", "printed")]
    assert known == ["tell-0", "run", ["nightly"]]


def test_an_exception_that_cannot_be_unpickled_says_what_it_was(
    runner: ProcessPoolTaskRunner,
) -> None:
    @flow(task_runner=runner)
    def run() -> BaseException:
        future: PenstockFuture[None] = raise_odd.submit()
        error = future.result(raise_on_failure=False)
        assert isinstance(error, BaseException)
        return error

    error = run()

    assert "Odd: 1 and 2" in str(error)
    assert "raise Odd(1, 2)" in "".join(error.__notes__)


def test_an_initializer_runs_once_in_each_process_before_its_first_body() -> None:
    def note(number: int) -> None:
        os.environ["PREPARED"] = os.environ.get("PREPARED", "") + str(number)

    @task
    def prepared() -> str | None:
        return os.environ.get("PREPARED")

    runner = ProcessPoolTaskRunner(max_workers=1, initializer=note, initargs=(7,))

    @flow(task_runner=runner)
    def run() -> list[str | None]:
        return [prepared.submit().result() for _ in range(2)]

    try:
        assert run() == ["7", "7"]
    finally:
        runner.close()


def test_an_initializer_that_raises_fails_the_tasks_with_its_exception() -> None:
    def break_down() -> None:
        raise ConnectionError("no licence")

    runner = ProcessPoolTaskRunner(max_workers=1, initializer=break_down)

    @flow(task_runner=runner)
    def run() -> int:
        return double.submit(1).result()

    try:
        with pytest.raises(ConnectionError, match="no licence"):
            run()
    finally:
        runner.close()


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    """Prefect: ``RuntimeError: An attempt has been made to start a new process before …``."""
    script = tmp_path / "script.py"
    script.write_text(
        "from penstock import flow, task\n"
        "from penstock.task_runners import ProcessPoolTaskRunner\n"
        "@task\ndef double(x): return 2 * x\n"
        "@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))\n"
        "def run(): return double.map([1, 2]).result()\n"
        "print(run())\n"
    )

    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True
    )

    assert ended.stdout == "[2, 4]\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_page_on_task_runners_runs(example: str) -> None:
    exec(compile(example, "docs/task-runners.md", "exec"), {"__name__": "example"})


@task
def leave_records(progress: UUID | None, *, fails: bool = False) -> None:
    create_markdown_artifact(f"# From {os.getpid()}", key="report")
    kept = Artifact.get("report")
    assert kept is not None
    emit_event("written", {"penstock.resource.id": str(kept.data)})
    set_state_value("fails", fails)
    assert get_state_value("fails") is fails
    if progress:
        update_progress_artifact(progress, 50)
    if fails:
        raise KeyError("no")


def test_artifacts_and_events_made_in_a_worker_join_the_run_s(
    runner: ProcessPoolTaskRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))
    context = RunContext("daily-1")

    @flow(task_runner=runner)
    def daily() -> None:
        progress = create_progress_artifact(0, key="load", description="loading")
        leave_records.submit(progress).result()
        leave_records.submit(None, fails=True).result(raise_on_failure=False)

    outcome = execute(daily, parameters={}, context=context)
    first, load, second = context.records.artifacts
    lines = (tmp_path / "runs/daily-1/artifacts.jsonl").read_text().splitlines()

    assert outcome.state.is_completed()
    assert (load.key, load.data, load.description) == ("load", 50.0, "loading")
    assert [first.task_run_id, load.task_run_id, second.task_run_id] == [
        "daily-1/leave_records-0",
        "daily-1/leave_records-0",
        "daily-1/leave_records-1",
    ]
    assert first.data != f"# From {os.getpid()}"
    assert [event.event for event in context.records.events] == ["written"] * 2
    assert [each.value for each in context.records.published] == [True]
    assert len(lines) == 4


@task
def tell_all() -> list[object]:
    flow_run, task_run = runtime.flow_run, runtime.task_run
    return [
        *(getattr(flow_run, name) for name in flow_run.__all__ if name != "parameters"),
        *(getattr(task_run, name) for name in task_run.__all__),
        *(getattr(runtime.deployment, name) for name in runtime.deployment.__all__),
    ]


@pytest.mark.parametrize("retries", [0, 1], ids=["without a journal", "with a journal"])
def test_a_worker_tells_of_the_run_what_a_thread_would(
    runner: ProcessPoolTaskRunner, retries: int
) -> None:
    @flow(version="7", retries=retries)
    def inner() -> object:
        with tags("nightly"):
            return tell_all.submit().result()

    @flow
    def daily(*, elsewhere: bool) -> object:
        return (inner.with_options(task_runner=runner) if elsewhere else inner)()

    told = []
    for elsewhere in (False, True):
        context = RunContext("daily-1")
        context.scheduled_at = datetime(2026, 11, 20, 6, tzinfo=UTC)
        context.deployed = Deployed(id="a/b", name="b", version="7", parameters={"x": 1})
        outcome = execute(daily, parameters={"elsewhere": elsewhere}, context=context)
        told.append([each for each in outcome.result if not isinstance(each, datetime)])

    assert told[0] == told[1]
    assert "daily-1/inner-0/tell_all-0" in told[0]


def test_calls_inside_a_body_elsewhere_have_keys_of_their_own(
    runner: ProcessPoolTaskRunner,
) -> None:
    @task
    def charge(order: int) -> str | None:
        return runtime.task_run.idempotency_key

    @task
    def charge_all() -> list[str | None]:
        return [charge(1), charge(1), charge(2), runtime.task_run.idempotency_key]

    @flow(task_runner=runner)
    def daily() -> list[str | None]:
        return [key for keys in (charge_all.submit(), charge_all.submit()) for key in keys.result()]

    assert len(set(daily())) == 8


@task(retries=1, heartbeat_timeout_seconds=5)
def counted() -> tuple[int, object]:
    last = runtime.task_run.heartbeat
    heartbeat({"page": 7})
    if runtime.task_run.run_count == 1:
        raise ConnectionError("not now")
    return os.getpid(), last


def test_heartbeats_come_home_from_processes(runner: ProcessPoolTaskRunner) -> None:
    @flow(task_runner=runner)
    def pages() -> tuple[int, object]:
        return counted.submit().result()

    process, last = pages()

    assert process != os.getpid()
    assert last == {"page": 7}


@task(heartbeat_timeout_seconds=2)
def beating(seconds: float) -> int:
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        heartbeat()
        time.sleep(0.02)
    time.sleep(seconds)
    return os.getpid()


def test_a_process_that_is_silent_for_too_long_is_killed(runner: ProcessPoolTaskRunner) -> None:
    @flow(task_runner=runner)
    def pages(seconds: float) -> int:
        return beating.submit(seconds).result()

    pages(0)
    began = time.monotonic()
    with pytest.raises(HeartbeatTimeout):
        pages(60)

    assert time.monotonic() - began < 50


def test_messages_that_come_together_are_told_apart() -> None:
    ours, theirs = (Channel(end) for end in socket.socketpair())
    messages = [b"", b"one", b"two" * 20_000, b"three"]
    for message in messages:
        theirs.send(message)

    received = [ours.receive(timeout=60) for _ in messages]
    ours.close()
    theirs.close()

    assert received == messages
