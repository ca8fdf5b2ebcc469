"""What a heartbeat said is there for a later process (rule: at a bounded rate)."""

from __future__ import annotations

import contextlib

import pytest
from tests.unit.journal.runs import CutChain, PowerCut, Runs

from penstock import flow, heartbeat, runtime, sleep, task
from penstock.engine.runs import TaskRun
from penstock.testing import moving_time


def test_a_later_process_goes_on_from_the_heartbeat_that_was_stored() -> None:
    seen: list[object] = []

    @task
    def crawl() -> None:
        seen.append(runtime.task_run.heartbeat)
        heartbeat({"page": 1})
        if len(seen) == 1:
            raise PowerCut

    @flow
    def crawling() -> None:
        crawl()

    runs = Runs(crawling)
    runs.attempt()
    runs.attempt()

    assert seen == [None, {"page": 1}]


def test_many_heartbeats_are_few_entries() -> None:
    @task
    def crawl() -> None:
        for page in range(1000):
            heartbeat(page)

    @flow
    def crawling() -> None:
        crawl()

    runs = Runs(crawling)
    runs.attempt()

    assert sum(record.count(b"\nbeat ") for record in runs.chain.read()) == 1


def test_when_an_attempt_fails_its_last_heartbeat_is_stored() -> None:
    seen: list[object] = []

    @task(retries=3)
    def crawl() -> None:
        seen.append(runtime.task_run.heartbeat)
        if len(seen) == 1:
            for page in range(10):
                heartbeat(page)
        if len(seen) == 1:
            raise ConnectionError("not now")
        if len(seen) == 2:
            raise PowerCut

    @flow
    def crawling() -> None:
        crawl()

    runs = Runs(crawling)
    runs.attempt()
    runs.attempt()

    assert seen == [None, 9, 9]


def test_what_cannot_be_stored_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def crawl() -> object:
        for _ in range(3):
            heartbeat("x" * 2000)
        return runtime.task_run.heartbeat == "x" * 2000

    @flow
    def crawling() -> object:
        return crawl()

    outcome = Runs(crawling).attempt()

    assert outcome.result is True
    assert caplog.text.count("A later process will not know this heartbeat") == 1


@pytest.mark.parametrize("stored", [False, True], ids=["before it is stored", "after"])
@pytest.mark.parametrize("cut_at", range(1, 7))
def test_the_power_may_go_at_any_record(cut_at: int, *, stored: bool) -> None:
    """No page is lost, whatever was stored of the way."""
    read: set[int] = set()

    @task(retries=1, total_timeout_seconds=3600)
    def crawl() -> int:
        last = runtime.task_run.heartbeat
        for page in range(0 if last is None else last + 1, 4):
            read.add(page)
            heartbeat(page)
            if page == 2 and runtime.task_run.run_count == 1:
                raise ConnectionError("not now")
        return len(read)

    @flow
    def crawling() -> int:
        return crawl()

    chain = CutChain(cut_at=cut_at, stored=stored)
    runs = Runs(crawling, chain=chain)
    with contextlib.suppress(PowerCut):
        runs.attempt()
    runs.chain = chain.restored()
    outcome = runs.attempt()

    assert outcome.result == 4


def test_a_reporter_hears_of_one_a_second() -> None:
    heard: list[object] = []

    class Listening(Runs):
        def heartbeat_sent(self, run: TaskRun) -> None:
            heard.append(run.heartbeat)

    @task
    def crawl() -> None:
        for page in range(1, 4):
            heartbeat(page)
            sleep(0.6)

    @flow
    def crawling() -> None:
        crawl()

    with moving_time():
        Listening(crawling).attempt()

    assert heard == [1, 3]
