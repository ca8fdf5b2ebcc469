"""Code, or what stands outside tasks, that is not what it was when the run began (rule 12)."""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from tests.unit.journal.runs import PowerCut, Runs

from penstock import flow, now, patched, random, scope, sleep, task, uuid4
from penstock.errors import NonDeterminism
from penstock.execution import RunContext, execute
from penstock.journal.run_journal import open_journal

RAN: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


@task
def load(day: str, *, table: str = "orders") -> str:
    RAN[f"load {day} {table}"] += 1
    return day


@task
def check(day: str) -> str:
    RAN[f"check {day}"] += 1
    return day


@dataclass
class Changing:
    """A flow whose code is another one on each launch."""

    versions: list[Any]
    """What each launch does; all but the last are cut off at their ends."""
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, *, accepts_changes: bool = False) -> Any:
        """Launch each version, and return what came of the last."""
        left = iter(self.versions)

        def body() -> object:
            version = next(left)
            result = version()
            if version is not self.versions[-1]:
                raise PowerCut
            return result

        runs = Runs(flow(**self.options)(body))
        for _ in self.versions:
            context = RunContext("daily-1")
            context.accepts_changes = accepts_changes
            context.journal = open_journal(runs.chain, holder=runs.next_holder())
            outcome = execute(runs.flow, parameters={}, context=context)
        return outcome


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.levelno == logging.WARNING]


def test_another_argument_is_told_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    Changing([lambda: load("monday"), lambda: load("tuesday")]).run()

    (warning,) = warnings_in(caplog)
    assert "load is called with another value of day than by an earlier launch" in warning
    assert RAN == {"load monday orders": 1, "load tuesday orders": 1}


def test_an_argument_by_name_that_is_new_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Changing([lambda: load("monday"), lambda: load("monday", table="stock")]).run()

    assert "another value of table" in warnings_in(caplog)[0]


def test_code_that_is_inserted_before_and_between_is_no_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def before() -> list[str]:
        return [load(day) for day in "ab"]

    def after() -> list[str]:
        return [check("x"), load("a"), check("a"), load("b")]

    outcome = Changing([before, after]).run()

    assert outcome.result == ["x", "a", "a", "b"]
    assert warnings_in(caplog) == []
    assert RAN["load a orders"] == RAN["load b orders"] == 1


def test_a_changed_call_is_found_though_its_number_moved(caplog: pytest.LogCaptureFixture) -> None:
    Changing([lambda: (load("a"), load("b")), lambda: (check("x"), load("a"), load("c"))]).run()

    assert len(warnings_in(caplog)) == 1


def test_a_change_inside_a_scope_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def loading(day: str) -> str:
        with scope("a"):
            return load(day)

    Changing([lambda: loading("a"), lambda: loading("b")]).run()

    assert "another value of day" in warnings_in(caplog)[0]


def test_calls_that_were_not_finished_are_no_change(caplog: pytest.LogCaptureFixture) -> None:
    """Of three mapped tasks one had finished."""

    @task
    def cut(x: int) -> int:
        RAN[f"cut {x}"] += 1
        if x != 1 and RAN["may go on"] == 0:
            raise PowerCut
        return x

    def version() -> list[int]:
        return cut.map([0, 1, 2]).result()

    def last() -> list[int]:
        RAN["may go on"] = 1
        return cut.map([0, 1, 2]).result()

    outcome = Changing([version, last], {"strict": True}).run()

    assert outcome.result == [0, 1, 2]
    assert RAN["cut 1"] == 1


def test_a_strict_flow_stops_before_the_other_call_runs() -> None:
    outcome = Changing([lambda: load("a"), lambda: load("b")], {"strict": True}).run()

    assert isinstance(outcome.state.data, NonDeterminism)
    assert "another value of day" in outcome.message
    assert "--accept" in outcome.message
    assert RAN == {"load a orders": 1}


def test_a_strict_flow_stops_where_another_task_is_called() -> None:
    outcome = Changing([lambda: load("a"), lambda: check("a")], {"strict": True}).run()

    assert "check is called where an earlier launch of the run called load" in outcome.message


def test_a_change_that_was_accepted_runs() -> None:
    changing = Changing([lambda: load("a"), lambda: load("b")], {"strict": True})

    assert changing.run(accepts_changes=True).result == "b"


def drawn() -> tuple[datetime, UUID, float, float]:
    return now(), uuid4(), random().random(), random().random()


def test_recorded_values_are_the_same_on_each_launch() -> None:
    seen = []
    Changing([lambda number=number: seen.append(drawn()) for number in range(3)]).run()

    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert len(set(seen[0])) == 4


def test_recorded_values_are_the_same_in_a_flow_that_is_tried_again() -> None:
    seen = []

    @flow(retries=1)
    def retried() -> None:
        seen.append(drawn())
        if len(seen) == 1:
            raise RuntimeError

    retried()

    assert seen[0] == seen[1]


def test_in_a_plain_call_they_are_just_values() -> None:
    first, second = flow(drawn)(), drawn()

    assert first[1] != second[1]
    assert now().utcoffset() is not None


def test_they_are_drawn_in_async_code_too() -> None:
    seen = []

    @flow
    async def body() -> None:
        await sleep(0)
        seen.append(drawn())
        if len(seen) == 1:
            raise PowerCut

    runs = Runs(body)
    runs.attempt()
    runs.attempt()

    assert seen[0] == seen[1]


def old() -> list[str]:
    return [load("a"), load("b")]


def new() -> list[str]:
    done = [load("a")]
    if patched("check"):
        done.append(check("a"))
    return [*done, load("b")]


def test_a_new_run_takes_the_new_way() -> None:
    assert Changing([new]).run().result == ["a", "a", "b"]


def test_a_run_that_passed_the_point_before_keeps_to_the_old_way() -> None:
    assert Changing([old, new]).run().result == ["a", "b"]


def test_a_run_that_had_not_come_there_takes_the_new_way() -> None:
    assert Changing([lambda: load("a"), new]).run().result == ["a", "a", "b"]


def test_it_keeps_to_its_way_on_every_later_launch() -> None:
    def as_far_as_the_point() -> str:
        load("a")
        patched("check")
        return load("b")

    versions = [lambda: load("a"), as_far_as_the_point, new]

    assert Changing(versions).run().result == ["a", "a", "b"]


def test_the_answer_is_one_for_a_whole_body() -> None:
    def twice() -> list[bool]:
        first = patched("check")
        load("a")
        return [first, patched("check")]

    assert Changing([lambda: load("a"), twice]).run().result == [False, False]


def test_a_patch_is_no_change_to_a_strict_flow() -> None:
    assert Changing([old, new], {"strict": True}).run().result == ["a", "b"]


def test_outside_of_durable_runs_the_new_way_is_taken() -> None:
    assert patched("check")
    assert flow(new)() == ["a", "a", "b"]


def test_a_sleep_counts_as_a_call_that_was_made() -> None:
    def sleeping() -> None:
        asyncio.run(_nap())

    assert Changing([sleeping, lambda: patched("check")]).run().result is False


async def _nap() -> None:
    await sleep(0)
