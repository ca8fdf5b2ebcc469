"""A call that a journal answers brings back what it had left in the run's record (rule 19)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.journal.runs import PowerCut, Runs

from penstock import flow, opaque, task
from penstock.artifacts import (
    Artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from penstock.drivers.recording import MAX_STORED_CHARACTERS, MAX_STORED_IN_ALL, as_json
from penstock.engine.keeping import Records
from penstock.events import emit_event
from penstock.execution import RunContext, execute
from penstock.journal.run_journal import open_journal

RESOURCE = {"penstock.resource.id": "order-7"}


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)


class Power:
    """Goes once, where it is told to."""

    def __init__(self) -> None:
        self.is_on = True

    def cut(self) -> None:
        if self.is_on:
            self.is_on = False
            raise PowerCut


@task
def describe(day: str) -> str:
    first = emit_event("order.made", RESOURCE)
    emit_event("order.shipped", RESOURCE, payload={"day": day}, follows=first)
    progress = create_progress_artifact(0, key="load", description="loading")
    update_progress_artifact(progress, 100)
    create_markdown_artifact(f"# {day}", key="report")
    return day


@task
def around(day: str) -> str:
    return describe(day)


@flow
def inner(day: str) -> str:
    return describe.submit(day).result()


def _twice(body: Callable[[Power], Any], *, home: Path | None = None) -> tuple[Records, Records]:
    """Run a flow until the power goes, and again; return the records of both attempts."""
    power, kept = Power(), []
    runs = Runs(flow(name="daily")(lambda: body(power)))
    for _ in range(2):
        context = RunContext("daily-1")
        context.home = home
        context.journal = open_journal(runs.chain, holder=runs.next_holder())
        execute(runs.flow, parameters={}, context=context)
        kept.append(context.records)
    first, second = kept
    return first, second


@pytest.mark.parametrize("called", [describe, around, inner], ids=["task", "nested", "sub-flow"])
def test_a_finished_call_brings_back_what_it_and_all_inside_it_left(called: Any) -> None:
    def body(power: Power) -> None:
        called("monday")
        power.cut()
        found = Artifact.get("report")
        assert found is not None
        assert found.data == "# monday"

    first, second = _twice(body)

    assert len(first.artifacts) == 2
    assert second.artifacts == first.artifacts
    assert second.events == first.events
    assert first.events[1].follows == first.events[0].id


def test_a_call_that_was_cut_off_leaves_what_its_second_attempt_leaves() -> None:
    @task
    def cut_off(power: Power) -> None:
        create_markdown_artifact("# x", key="report")
        power.cut()

    first, second = _twice(lambda power: cut_off(opaque(power)))

    assert len(first.artifacts) == len(second.artifacts) == 1
    assert second.artifacts[0].id != first.artifacts[0].id


def test_a_run_that_had_ended_brings_back_everything_once() -> None:
    def body(_: Power) -> None:
        around("monday")
        inner("tuesday")
        create_markdown_artifact("# end", key="end")

    first, second = _twice(body)

    assert {each.id for each in second.artifacts} == {each.id for each in first.artifacts}
    assert sorted(str(each.id) for each in second.events) == sorted(
        str(each.id) for each in first.events
    )


def test_data_that_are_too_large_to_be_stored_twice_are_missing_in_what_comes_back() -> None:
    @task
    def tabulate() -> None:
        create_table_artifact([["x" * MAX_STORED_CHARACTERS]], key="table")
        emit_event("large", RESOURCE, payload={"x": "x" * MAX_STORED_CHARACTERS})

    def body(power: Power) -> None:
        tabulate()
        power.cut()

    first, second = _twice(body)

    assert first.artifacts[0].data is not None
    assert (second.artifacts[0].key, second.artifacts[0].data) == ("table", None)
    assert second.events[0].payload == {}


def test_there_is_a_bound_to_what_all_records_of_a_call_take_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @task
    def describe_all() -> None:
        for number in range(300):
            create_markdown_artifact("x" * 1000, key=f"a-{number}", description="d" * 1000)

    def body(power: Power) -> None:
        describe_all()
        power.cut()

    first, second = _twice(body)

    assert len(first.artifacts) == 300
    assert 20 < len(second.artifacts) < 60
    assert second.artifacts[-1].key == "a-299"
    assert sum(len(json.dumps(as_json(each))) for each in second.artifacts) <= MAX_STORED_IN_ALL
    assert f"room for {len(second.artifacts)} of the 300 artifacts, events and" in caplog.text


def test_the_files_of_a_run_have_each_record_once(tmp_path: Path) -> None:
    def body(power: Power) -> None:
        around("monday")
        power.cut()

    _twice(body, home=tmp_path)

    folder = tmp_path / "runs/daily-1"
    assert len((folder / "artifacts.jsonl").read_text().splitlines()) == 3
    assert len((folder / "events.jsonl").read_text().splitlines()) == 2


def test_a_rerun_under_another_name_has_files_of_its_own(tmp_path: Path) -> None:
    @task
    def fail_once(attempts: list[int]) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyError

    attempts: list[int] = []

    @flow(name="daily")
    def daily() -> None:
        around("monday")
        fail_once.with_options(persist_result=False)(attempts)

    runs = Runs(daily)
    for name in ("daily-1", "daily-1.2"):
        context = RunContext(name)
        context.home = tmp_path
        context.journal = open_journal(runs.chain, holder=runs.next_holder(), anew=True)
        execute(daily, parameters={}, context=context)

    lines = (tmp_path / "runs/daily-1.2/artifacts.jsonl").read_text().splitlines()
    assert len(lines) == 2
