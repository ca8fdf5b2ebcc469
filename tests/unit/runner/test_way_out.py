"""A pod that is about to be stopped stores what it can, for as long as it has (rule 29)."""

from __future__ import annotations

import threading
import time
from typing import cast

import pytest
from tests.unit.journal.test_pipelined import HeldChain

from penstock.drivers.activity import Activity
from penstock.drivers.context import RunContext
from penstock.engine.identity import CallKey
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder
from penstock.runner.board import NoticeBoard
from penstock.runner.durable import WayOut
from penstock.runner.publisher import Publisher
from penstock.states import Completed


@pytest.fixture
def chain() -> HeldChain:
    return HeldChain()


@pytest.fixture
def way_out(chain: HeldChain) -> WayOut:
    """The way out of a pod whose pipelined run has recorded a result that is not stored."""
    context = RunContext("daily-1")
    context.journal = journal = open_journal(chain, holder=Holder(attempt=1, process="pod"))
    journal.run_ahead()
    chain.may_store.clear()
    key = CallKey("flow", identity="load(load)", digest="", occurrence=0)
    journal.record(key, state=Completed(data=1), epoch=lambda: "0")
    return WayOut(
        Activity(),
        context=context,
        publisher=cast("Publisher", None),  # what it tells the API server is not of interest
        board=cast("NoticeBoard", None),
    )


def test_what_is_recorded_is_stored_before_the_pod_is_stopped(
    chain: HeldChain, way_out: WayOut
) -> None:
    threading.Timer(0.02, chain.may_store.set).start()

    way_out.store(5)

    assert chain.holds(b"\ndone ")


def test_a_store_that_does_not_answer_holds_nobody_up(chain: HeldChain, way_out: WayOut) -> None:
    began = time.monotonic()

    way_out.store(0.01)
    waited, stored = time.monotonic() - began, chain.holds(b"\ndone ")
    chain.may_store.set()

    assert waited < 5
    assert not stored
