"""What a journal holds of tasks that are cached, or that are not to be persisted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.journal.runs import Runs

from penstock import flow, task
from penstock.cache_policies import INPUTS
from penstock.results import ResultStore

calls: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


@task
def step(name: str) -> str:
    calls.append(name)
    return name


def fail_at_first() -> None:
    calls.append("end")
    if calls.count("end") == 1:
        raise ValueError("not yet")


@task(persist_result=False)
def connect() -> str:
    calls.append("connect")
    return step("inside")


def test_a_task_that_is_not_to_be_persisted_runs_again_with_all_that_it_calls() -> None:
    @flow
    def daily() -> list[str]:
        found = [step("one"), connect(), connect(), step("two")]
        fail_at_first()
        return found

    runs = Runs(daily)
    runs.attempt()
    outcome = runs.attempt(anew=True)

    first = ["one", "connect", "inside", "connect", "inside", "two", "end"]
    assert outcome.result == ["one", "inside", "inside", "two"]
    assert calls == [*first, "connect", "inside", "connect", "inside", "end"]


def test_a_flow_may_say_it_for_its_tasks() -> None:
    @flow(persist_result=False)
    def daily() -> None:
        step("out")
        step.with_options(persist_result=True)("in")
        fail_at_first()

    runs = Runs(daily)
    runs.attempt()
    runs.attempt(anew=True)

    assert calls == ["out", "in", "end", "out", "end"]


def test_what_came_from_the_cache_stays_though_it_expires(tmp_path: Path) -> None:
    @task(cache_policy=INPUTS, result_storage=tmp_path, cache_expiration=timedelta(hours=1))
    def rate(currency: str) -> int:
        calls.append(currency)
        return len(calls)

    @flow
    def daily() -> int:
        found = rate("CHF")
        fail_at_first()
        return found

    assert rate("CHF") == 1
    runs = Runs(daily)
    runs.attempt()
    store = ResultStore(result_storage=tmp_path)
    [kept] = tmp_path.rglob("*.result")
    store.write(7, key=kept.stem, expiration=timedelta(0))
    outcome = runs.attempt(anew=True)

    assert outcome.result == 1
    assert calls == ["CHF", "end", "end"]


def test_what_the_run_has_finished_precedes_the_cache(tmp_path: Path) -> None:
    """Also where the cache is to be refreshed: that is about the cache, not about the run."""

    @task(cache_policy=INPUTS, result_storage=tmp_path, refresh_cache=True)
    def rate(currency: str) -> int:
        calls.append(currency)
        return len(calls)

    @flow
    def daily() -> int:
        found = rate("CHF")
        fail_at_first()
        return found

    runs = Runs(daily)
    runs.attempt()
    store = ResultStore(result_storage=tmp_path)
    [kept] = tmp_path.rglob("*.result")
    store.write(7, key=kept.stem)
    outcome = runs.attempt(anew=True)

    assert outcome.result == 1
    assert calls == ["CHF", "end", "end"]


def test_a_task_that_says_nothing_is_journaled_and_not_cached(tmp_path: Path) -> None:
    @flow
    def daily() -> None:
        step("silent")
        step.with_options(persist_result=True, result_storage=tmp_path)("kept")
        fail_at_first()

    runs = Runs(daily)
    runs.attempt()
    runs.attempt(anew=True)

    assert calls == ["silent", "kept", "end", "end"]
    assert len([*tmp_path.rglob("*.result")]) == 1
