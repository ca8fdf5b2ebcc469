"""A run that ends without its process: its last launch rolls back, and does nothing new."""

from __future__ import annotations

import signal

import pytest
from tests.integration.runner.conftest import Attempt
from tests.integration.runner.faulty_server import FaultyServer
from tests.integration.runner.processes import RunnerProcess

HEAD = """
import asyncio, time
from penstock import flow, now, sleep, task, wait_for_signal
from penstock.transactions import transaction

@task
def reserve(what):
    print("reserving", what, flush=True)
    return what

@reserve.on_rollback
def release(txn):
    print("releasing", txn.name, flush=True)

@task
def charge():
    print("charging", flush=True)
    time.sleep(60)

@task
async def charge_later():
    print("charging", flush=True)
    await asyncio.sleep(60)

@flow
def shipping():
    reserve("a ship")
    charge()
"""
SLEEPING = """
@flow
def daily():
    with transaction():
        reserve("a seat")
        sleep(0.1)
        sleep(3600)
        charge()
"""
CALLING = """
@flow
def daily():
    with transaction():
        reserve("a seat")
        charge()
"""
SUBMITTING = """
@flow
def daily():
    with transaction():
        reserve("a seat")
        charge.submit().result()
"""
AWAITING = """
@flow
async def daily():
    async with transaction():
        reserve("a seat")
        await charge_later()
"""
NESTED = """
@flow
def daily():
    with transaction():
        reserve("a seat")
        shipping()
"""


def end(server: FaultyServer) -> None:
    """Write down, as the operator does, that the next launch is the last."""
    assert server.run is not None
    ending = {"state": "Cancelled", "reason": "CancelRequested", "message": "It was cancelled."}
    server.run["status"] |= {"state": "Cancelling", "ending": ending}


def released(runner: RunnerProcess) -> int:
    return sum(line.startswith("releasing") for line in runner.lines)


def test_a_run_that_sleeps_in_a_transaction_rolls_back_in_its_last_launch(
    server: FaultyServer, attempt: Attempt
) -> None:
    first = attempt(HEAD + SLEEPING, PENSTOCK_LINGER_SECONDS="0.3")
    first.exit_code()
    owed = server.reports[-1]["journal"].get("rollbacksOwed")
    end(server)
    last = attempt(HEAD + SLEEPING, PENSTOCK_LINGER_SECONDS="0.3")

    assert owed is True
    assert last.exit_code() == 4, last.output
    assert released(last) == 1
    assert "reserving" not in last.output
    assert "charging" not in last.output
    assert server.reports[-1]["outcome"]["state"] == "Cancelled"


@pytest.mark.parametrize(
    ("body", "reserved"),
    [
        pytest.param(CALLING, 1, id="called"),
        pytest.param(SUBMITTING, 1, id="submitted"),
        pytest.param(AWAITING, 1, id="awaited"),
        pytest.param(NESTED, 2, id="in a sub-flow"),
    ],
)
def test_what_was_going_on_when_the_run_crashed_is_not_begun_again(
    server: FaultyServer, attempt: Attempt, body: str, reserved: int
) -> None:
    first = attempt(HEAD + body)
    first.wait_for_line("charging")
    server.wait_for(lambda s: s.reports[-1].get("journal", {}).get("rollbacksOwed"))
    first.signal(signal.SIGKILL)
    first.exit_code()
    end(server)
    last = attempt(HEAD + body)

    assert last.exit_code() == 4, last.output
    assert released(last) == reserved, last.output
    assert "charging" not in last.output


def test_a_launch_that_finds_its_run_cancelled_still_owes_what_the_one_before_did(
    server: FaultyServer, attempt: Attempt
) -> None:
    first = attempt(HEAD + SLEEPING, PENSTOCK_LINGER_SECONDS="0.3")
    first.exit_code()
    assert server.run is not None
    server.run["spec"]["cancel"] = True
    second = attempt(HEAD + SLEEPING, PENSTOCK_LINGER_SECONDS="0.3")
    code = second.exit_code()
    told = server.reports[-1]
    end(server)
    last = attempt(HEAD + SLEEPING, PENSTOCK_LINGER_SECONDS="0.3")

    assert (code, released(second)) == (4, 0), second.output
    assert (told["outcome"]["state"], told["journal"]["rollbacksOwed"]) == ("Cancelled", True)
    assert last.exit_code() == 4, last.output
    assert released(last) == 1


def test_a_run_whose_transaction_is_over_owes_nothing(
    server: FaultyServer, attempt: Attempt
) -> None:
    committed = """
@flow
def daily():
    with transaction():
        reserve("a seat")
    wait_for_signal("go")
"""
    attempt(HEAD + committed, PENSTOCK_LINGER_SECONDS="0.3").exit_code()

    assert "rollbacksOwed" not in server.reports[-1]["journal"]


def test_a_launch_that_dies_before_its_transactions_passes_on_what_is_owed(
    server: FaultyServer, attempt: Attempt
) -> None:
    attempt(HEAD + SLEEPING, PENSTOCK_LINGER_SECONDS="0.3").exit_code()
    late = SLEEPING.replace("    with", "    print('up', flush=True)\n    time.sleep(60)\n    with")
    second = attempt(HEAD + late)
    second.wait_for_line("up")
    server.wait_for(lambda s: "journal" in s.reports[-1] and s.reports[-1]["attempt"] == 2)
    second.signal(signal.SIGKILL)

    assert server.reports[-1]["journal"]["rollbacksOwed"] is True
