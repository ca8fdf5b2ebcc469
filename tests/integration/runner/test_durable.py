"""Attempts of one run as processes: what they leave for the next, and how they leave."""

from __future__ import annotations

import signal
from typing import Any

from tests.integration.runner.conftest import Attempt
from tests.integration.runner.faulty_server import Answer, FaultyServer
from tests.integration.runner.processes import RunnerProcess

STEPS = """
import time
from penstock import flow, task

@task
def step(number):
    print(f"step {number}", flush=True)
    time.sleep(0.1)
    return number

@flow
def daily(count: int = 8):
    total = sum(step(number) for number in range(count))
    print(f"total {total}", flush=True)
"""
ASLEEP = """
from penstock import flow, sleep, task

@task
def work():
    print("working", flush=True)

@flow
def daily():
    work()
    sleep(3600)
"""
ASKING = """
from penstock import flow, wait_for_signal

@flow
def daily():
    print("asking", flush=True)
    print("answered", wait_for_signal("go", int), flush=True)
"""
LOADED = """
import time
from penstock import flow, task

class Order(Exception):
    pass

@task
def load():
    return Order("7")

@flow
def daily():
    print("loaded", load(), flush=True)
    while True:
        time.sleep(1)
"""
ANSWERING = """
import os, signal
from penstock import flow, task, wait_for_update

def die(where):
    if os.environ.get("KILLED") == where:
        os.kill(os.getpid(), signal.SIGKILL)

@task
def work(value):
    print("work", value, flush=True)
    return value

@flow
def daily():
    with wait_for_update("limit", int) as update:
        die("received")
        update.answer({"was": work(update.payload), "attempt": os.environ["PENSTOCK_ATTEMPT"]})
        die("answered")
"""
KILLED_WHEN_ANSWERED = """
import os, signal
from penstock import flow, wait_for_signal

@flow
def daily():
    wait_for_signal("go")
    if os.environ.get("KILLED"):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def last(server: FaultyServer) -> dict[str, Any]:
    return server.reports[-1]


def signal_object(name: str, payload: object) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "daily-abc",
            "uid": "s-1",
            "creationTimestamp": "2026-11-20T12:00:00Z",
        },
        "spec": {"name": name, "payload": payload, "sender": "ada"},
    }


def steps(runner: RunnerProcess) -> list[str]:
    return [line for line in runner.lines if line.startswith("step ")]


def test_a_killed_attempt_leaves_what_it_had_finished_to_the_next(
    server: FaultyServer, attempt: Attempt
) -> None:
    first = attempt(STEPS)
    first.wait_for_line("step 4")
    first.signal(signal.SIGKILL)
    first.exit_code()

    second = attempt(STEPS)

    assert second.exit_code() == 0
    assert "total 28" in second.output
    assert steps(second)[0] in ("step 4", "step 5")
    assert last(server)["outcome"]["state"] == "Completed"
    assert last(server)["progress"] == "8/8"


def test_a_run_that_only_sleeps_leaves_its_pod_and_says_until_when(
    server: FaultyServer, attempt: Attempt
) -> None:
    runner = attempt(ASLEEP, PENSTOCK_LINGER_SECONDS="0.2")

    assert runner.exit_code() == 0
    assert "outcome" not in last(server)
    assert last(server)["suspension"].items() >= {"kind": "Sleep"}.items()
    assert "until" in last(server)["suspension"]
    assert last(server)["progress"] == "1/1"


def test_a_run_that_is_to_be_suspended_leaves_when_it_is_told(
    server: FaultyServer, attempt: Attempt
) -> None:
    first = attempt(STEPS)
    first.wait_for_line("step 2")
    assert server.run is not None
    server.run["spec"]["suspend"] = True
    first.signal(signal.SIGTERM)
    code = first.exit_code()
    suspension = last(server)["suspension"]
    server.run["spec"]["suspend"] = False

    second = attempt(STEPS)

    assert (code, suspension["kind"]) == (0, "Suspend")
    assert second.exit_code() == 0
    assert not set(steps(first)) & set(steps(second))
    assert len(steps(first)) + len(steps(second)) == 8


def test_a_run_that_is_cancelled_before_it_goes_on_still_tells_how_far_it_had_come(
    server: FaultyServer, attempt: Attempt
) -> None:
    attempt(ASLEEP, PENSTOCK_LINGER_SECONDS="0.2").exit_code()
    assert server.run is not None
    server.run["spec"]["cancel"] = True

    second = attempt(ASLEEP)

    assert second.exit_code() == 4
    assert "working" not in second.output
    assert last(server)["outcome"]["state"] == "Cancelled"
    assert last(server)["progress"] == "1/1"
    assert last(server)["tasks"][0]["name"] == "work"


def test_a_signal_is_received_and_the_server_is_told(
    server: FaultyServer, attempt: Attempt
) -> None:
    runner = attempt(ASKING)
    runner.wait_for_line("asking")
    server.signals.append(signal_object("go", 7))

    assert runner.exit_code() == 0
    assert "answered 7" in runner.output
    assert last(server)["signals"] == [{"name": "daily-abc", "state": "Consumed"}]


def test_what_was_not_told_of_an_update_is_told_by_the_next_attempt(
    server: FaultyServer, attempt: Attempt
) -> None:
    """The first is killed when it has the update, the second when it has answered it."""
    server.signals.append(signal_object("limit", 5))
    first = attempt(ANSWERING, KILLED="received")
    first.exit_code()
    second = attempt(ANSWERING, KILLED="answered")
    second.exit_code()

    third = attempt(ANSWERING)

    assert third.exit_code() == 0
    assert "work 5" in first.output + second.output
    assert last(server)["outcome"]["state"] == "Completed"
    assert last(server)["signals"] == [
        {"name": "daily-abc", "state": "Consumed", "answer": {"was": 5, "attempt": "2"}}
    ]


def test_a_consumed_signal_of_which_nobody_was_told_is_told_by_the_next_attempt(
    server: FaultyServer, attempt: Attempt
) -> None:
    server.signals.append(signal_object("go", 7))
    attempt(KILLED_WHEN_ANSWERED, KILLED="answered").exit_code()

    second = attempt(KILLED_WHEN_ANSWERED)

    assert second.exit_code() == 0
    assert last(server)["signals"] == [{"name": "daily-abc", "state": "Consumed"}]


def test_what_may_be_said_is_told_with_the_signal_that_is_waited_for(
    server: FaultyServer, attempt: Attempt
) -> None:
    runner = attempt(ASKING, PENSTOCK_LINGER_SECONDS="0.2")

    assert runner.exit_code() == 0
    assert last(server)["suspension"]["payloadSchema"] == {"type": "integer"}


def test_signals_that_cannot_be_read_are_asked_for_again_and_it_is_said(
    server: FaultyServer, attempt: Attempt
) -> None:
    runner = attempt(ASKING)
    runner.wait_for_line("asking")
    server.faults["GET"] += [Answer(403)] * 2

    runner.wait_for_line("Signals for the run cannot be read")


def test_a_run_that_waits_for_a_signal_says_which(server: FaultyServer, attempt: Attempt) -> None:
    runner = attempt(ASKING, PENSTOCK_LINGER_SECONDS="0.2")

    assert runner.exit_code() == 0
    assert last(server)["suspension"].items() >= {"kind": "Signal", "name": "go"}.items()
    assert last(server)["suspension"]["signals"] == ["go"]


def test_a_run_says_in_its_pod_too_for_which_signal_it_waits(
    server: FaultyServer, attempt: Attempt
) -> None:
    runner = attempt(ASKING)
    server.wait_for(
        lambda it: it.reports and it.reports[-1].get("awaitedSignals") == ["go"], timeout=60
    )
    server.signals.append(signal_object("go", 7))

    assert runner.exit_code() == 0
    assert "awaitedSignals" not in last(server)


def test_an_attempt_whose_journal_was_taken_over_stops(
    server: FaultyServer, attempt: Attempt
) -> None:
    """It writes nothing more, although nobody has told it of the next attempt."""
    many = STEPS.replace("count: int = 8", "count: int = 60")
    first = attempt(many)
    first.wait_for_line("step 1")
    second = attempt(many)
    second.wait_for_line("step ")

    assert first.exit_code() == 70
    assert second.exit_code() == 0
    assert last(server)["outcome"]["state"] == "Completed"


def test_a_pod_whose_program_is_started_twice_has_one_that_runs_the_flow(
    server: FaultyServer, attempt: Attempt
) -> None:
    first = attempt(STEPS)
    first.wait_for_line("step 1")
    second = attempt(STEPS, again=1)

    assert second.exit_code() == 70
    assert first.exit_code() == 0
    assert steps(second) == []
    assert len(steps(first)) == 8


def test_a_result_whose_class_is_gone_stops_the_run_until_somebody_has_mended_it(
    server: FaultyServer, attempt: Attempt
) -> None:
    first = attempt(LOADED)
    first.wait_for_line("loaded 7")
    first.signal(signal.SIGKILL)
    first.exit_code()

    second = attempt(LOADED.replace("class Order(", "class Purchase("))
    code, suspension = second.exit_code(), last(server)["suspension"]
    third = attempt(LOADED)
    third.wait_for_line("loaded 7")

    assert code == 0
    assert suspension.items() >= {"kind": "Person", "reason": "ResultUnreadable"}.items()
    assert suspension["name"] == "load(load)"
    assert "Order" in suspension["message"]
    assert "outcome" not in last(server)


DYING = """
import os, time
from penstock import flow, task

@task
def step(number):
    return number

@flow
def daily():
    step(1), step(2)
    time.sleep(0.4)
    os._exit(9)
"""


def test_an_attempt_tells_at_once_how_far_the_one_before_came_that_could_not(
    server: FaultyServer, attempt: Attempt
) -> None:
    attempt(DYING).exit_code()
    told_by_first = len(server.reports)
    attempt(DYING).exit_code()

    told_by_second = server.reports[told_by_first:]
    assert 2 in [each.get("journal", {}).get("entries") for each in told_by_second]


def test_a_result_that_is_not_stored_is_reported(server: FaultyServer, attempt: Attempt) -> None:
    code = STEPS.replace("return number", "return 'x' * 20_000").replace(
        "sum(step(number) for number in range(count))", "len([step(1)])"
    )

    assert attempt(code).exit_code() == 0
    assert last(server)["journal"]["unstored"] == 1
    assert last(server)["journal"]["unstoredTask"] == "step(step)"


def test_an_attempt_that_goes_on_with_other_code_says_so_and_keeps_what_was_finished(
    server: FaultyServer, attempt: Attempt
) -> None:
    first = attempt(STEPS)
    first.wait_for_line("step 4")
    first.signal(signal.SIGKILL)
    first.exit_code()

    second = attempt(STEPS + "# mended")

    assert second.exit_code() == 0
    assert "or one beside it that it imports, has changed since the run was last" in second.output
    assert last(server)["journal"]["codeChanged"] is True
    assert "step 1" not in second.output


def test_a_run_in_a_namespace_whose_journals_are_full_goes_on_without_storing_results(
    server: FaultyServer, attempt: Attempt
) -> None:
    runner = attempt(STEPS, PENSTOCK_JOURNALS_FULL="true")

    assert runner.exit_code() == 0
    assert "total 28" in runner.output
    assert "the journals of this namespace take as much as they may" in runner.output
    assert last(server)["journal"]["unstored"] >= 8
