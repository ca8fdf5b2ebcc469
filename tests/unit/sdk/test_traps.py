"""Traps of Prefect's that are closed. Each docstring tells what Prefect 3.8.8 was seen to do.

Three more need processes or time: tests/integration/test_processes.py (a worker that dies, an
argument that cannot be pickled) and tests/integration/test_large_maps.py (100,000 mapped tasks).
"""

from __future__ import annotations

import threading
import time

import pytest

from penstock import PenstockFuture, flow, task
from penstock.errors import CrashedRun, DeadlockError, NestingError, TaskRunTimeoutError
from penstock.task_runners import ThreadPoolTaskRunner
from penstock.transactions import transaction


@task
def fail() -> None:
    raise ValueError("broken")


def test_a_failed_future_that_nobody_awaits_fails_the_flow() -> None:
    """Prefect: a flow that submits a task which raises, and returns 1 or nothing, is Completed."""

    @flow
    def forgets() -> str:
        fail.submit()
        return "fine"

    with pytest.raises(ValueError, match="broken"):
        forgets()
    assert forgets(return_state=True).is_failed()


def test_a_flow_retry_does_not_run_finished_tasks_again() -> None:
    """Prefect: a task that appended to a list before the flow raised is run again by the retry
    (``retries=1``); the list has two entries."""
    ran = []

    @task
    def once() -> None:
        ran.append("once")

    @flow(retries=1)
    def retried() -> int:
        attempts.append(len(ran))
        once()
        if len(attempts) == 1:
            raise OSError
        return len(ran)

    attempts: list[int] = []
    assert retried() == 1
    assert attempts == [0, 1]


def test_the_time_out_of_a_submitted_sync_task_ends_the_wait_on_time() -> None:
    """Prefect: ``@task(timeout_seconds=0.5)`` around ``time.sleep(3)``, submitted: ``result()``
    raises ``TaskRunTimeoutError`` after 3.0 seconds, when the body is over; called in the main
    thread it raises after 0.5."""
    body_may_end = threading.Event()

    @task(timeout_seconds=0.02)
    def stuck() -> None:
        body_may_end.wait(60)

    @flow
    def waits() -> float:
        began = time.monotonic()
        with pytest.raises(TaskRunTimeoutError, match=r"stuck-0 took longer than its 0\.02 sec"):
            stuck.submit().result()
        return time.monotonic() - began

    assert waits() < 1
    body_may_end.set()


@pytest.mark.parametrize("exit_with", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_leaving_from_a_submitted_task_is_a_crash_of_the_task(exit_with: BaseException) -> None:
    """Prefect: ``sys.exit(3)`` in a submitted task is raised as ``SystemExit`` by ``wait()`` and
    ``result()`` in the flow, past ``except Exception``; if nobody waits, the flow is Completed.
    ``KeyboardInterrupt`` likewise."""

    @task(retries=3)
    def leave() -> None:
        raise exit_with

    @flow
    def survives() -> str:
        future = leave.submit()
        future.wait()
        with pytest.raises(CrashedRun):
            future.result()
        return future.state.name

    @flow
    def forgets() -> None:
        leave.submit()

    assert survives() == "Crashed"
    assert forgets(return_state=True).is_crashed()
    assert type(exit_with).__name__ in forgets(return_state=True).message


def test_a_task_that_waits_for_itself_is_refused() -> None:
    """Prefect: a task that asks its own future for the result hangs; killed after 40 seconds."""
    futures: dict[str, PenstockFuture[object]] = {}
    known = threading.Event()

    @task
    def itself() -> None:
        known.wait(60)
        futures["own"].result()

    @flow
    def run() -> None:
        futures["own"] = itself.submit()
        known.set()

    with pytest.raises(DeadlockError, match="itself-0 would wait for itself-0, and none"):
        run()


@pytest.mark.parametrize("how", ["called", "submitted"])
def test_a_cyclic_wait_for_is_refused(how: str) -> None:
    """Prefect: as a task that waits for itself."""
    futures: dict[str, PenstockFuture[object]] = {}
    known = threading.Event()

    @task
    def nothing() -> None: ...

    @task
    def outer() -> None:
        known.wait(60)
        if how == "called":
            nothing(wait_for=[futures["outer"]])
        else:
            nothing.submit(wait_for=[futures["outer"]]).result()

    @flow
    def run() -> None:
        futures["outer"] = outer.submit()
        known.set()

    with pytest.raises(DeadlockError, match="outer-0 would wait for"):
        run()


def test_recursion_of_sub_flows_has_a_clear_limit() -> None:
    """Prefect: a flow that calls itself goes down 8 levels a second, stands still somewhere below
    level 125 without a word, and does not end on SIGTERM; killed after nine minutes."""

    @flow
    def endless(n: int) -> int:
        return endless(n + 1)

    with pytest.raises(NestingError, match="The flow endless is called inside 50 flows"):
        endless(0)


def test_thousands_of_mapped_tasks_need_a_handful_of_threads() -> None:
    """Prefect: 1,000 mapped tasks of 10 ms, with the default runner, were 225 threads when ``map``
    returned, and took 6.1 seconds."""
    names: set[str] = set()

    @task
    def note(number: int) -> int:
        names.add(threading.current_thread().name + str(threading.get_ident()))
        return number

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
    def many() -> int:
        return len(note.map(range(2_000)).result())

    assert many() == 2_000
    assert len(names) <= 8  # a busy machine lets one idle so long that it is replaced


def test_a_failed_attempt_that_is_retried_rolls_no_transaction_back() -> None:
    """Prefect: a task with ``retries=1`` that raises once, after another task in a ``with
    transaction():``: the other one's ``on_rollback`` is called, the block ends as ROLLED_BACK, and
    the flow is Completed."""
    undone, attempts = [], []

    @task(on_rollback=[lambda _: undone.append("write")])
    def write() -> None:
        """Write something."""

    @task(retries=1)
    def check() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError

    @flow
    def writes() -> bool:
        with transaction() as txn:
            write()
            check()
        return txn.is_committed()

    assert writes()
    assert undone == []


def test_what_completes_after_a_roll_back_is_undone_too() -> None:
    """Prefect: a task that completes in a transaction which the caught failure of another task has
    rolled back is neither committed nor rolled back."""
    undone = []

    @task(on_rollback=[lambda _: undone.append("write")])
    def write() -> None:
        """Write something."""

    @flow
    def goes_on() -> None:
        with transaction():
            with pytest.raises(ValueError, match="broken"):
                fail()
            write()

    goes_on()
    assert undone == ["write"]
