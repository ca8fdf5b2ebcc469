"""New code is tried against the journal of a run, and nothing runs (`penstock replay`)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.journal.runs import PowerCut, Runs

from penstock import flow, patched, scope, sleep, task, transaction, uuid4
from penstock.artifacts import create_markdown_artifact
from penstock.errors import NonDeterminism
from penstock.replaying import Replayed, replay_records
from penstock.task_runners import ProcessPoolTaskRunner

RAN: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


@task
def load(day: str) -> str:
    RAN["load"] += 1
    return day


@task
def check(day: str) -> str:
    RAN["check"] += 1
    return day


@task(persist_result=False)
def unkept() -> int:
    RAN["unkept"] += 1
    return 1


def replayed(old: Callable[[], Any], new: Callable[[], Any], **options: Any) -> Replayed:
    """Record a run of the old code, and replay it with the new."""
    code = [old]

    def body() -> Any:
        return code[0]()

    runs = Runs(flow(**options)(body))
    runs.attempt()
    RAN.clear()
    code[0] = new
    records = runs.chain.read()
    result = replay_records(runs.flow, records)
    assert runs.chain.read() == records
    assert not RAN, "a body ran in a replay"
    return result


def both() -> list[str]:
    return [load("a"), load("b")]


def test_the_same_code_finds_everything() -> None:
    result = replayed(both, both)

    assert result == Replayed(found={"load": 2}, waiting={})
    result.check()


def test_another_argument_is_named() -> None:
    result = replayed(both, lambda: [load("a"), load("c")])

    assert "load is called with another value of day" in result.problems[0]
    with pytest.raises(NonDeterminism, match="another value of day"):
        result.check()


def test_an_inserted_call_is_told_with_what_stood_there() -> None:
    result = replayed(both, lambda: [load("a"), check("a"), load("b")])

    assert result.waiting == {"check": 1}
    assert "check is called where an earlier launch of the run called load" in result.problems[0]


def test_an_inserted_call_under_patched_fits() -> None:
    def new() -> list[str]:
        done = [load("a")]
        if patched("check"):
            done.append(check("a"))
        return [*done, load("b")]

    assert replayed(both, new).problems == ()


def test_a_call_that_was_removed_or_added_at_the_end_fits() -> None:
    assert replayed(both, lambda: load("b")).problems == ()
    assert replayed(both, lambda: [*both(), check("c")]).waiting == {"check": 1}


def test_a_run_that_was_cut_off_is_replayed_to_where_it_had_come() -> None:
    def old() -> None:
        load("a")
        raise PowerCut

    result = replayed(old, both)

    assert result == Replayed(found={"load": 1}, waiting={"load": 1})


def test_mapped_tasks_that_had_not_ended_are_no_problem() -> None:
    @task
    def half(x: int) -> int:
        RAN["half"] += 1
        if x % 2 == 0:
            raise PowerCut
        return x

    def mapped() -> list[int]:
        return half.map(range(6)).result()

    result = replayed(mapped, mapped)

    assert result.problems == ()
    assert result.found == {"half": 3}


def test_async_flows_are_replayed_too() -> None:
    async def old() -> str:
        await sleep(0)
        return load("a")

    async def new() -> str:
        await sleep(0)
        return load("b")

    result = replayed(lambda: asyncio.run(old()), lambda: asyncio.run(new()))

    assert result.found == {"sleep": 1}
    assert "another value of day" in result.problems[0]


def test_a_finished_sub_flow_is_found_as_a_whole() -> None:
    @flow
    def sub(day: str) -> str:
        with scope("a"):
            return load(day)

    def old() -> str:
        return sub("a") + load("b")

    assert replayed(old, old) == Replayed(found={"sub": 1, "load": 1}, waiting={})


def test_a_sub_flow_that_had_not_ended_is_replayed_inside() -> None:
    def with_argument(day: str) -> Callable[[], object]:
        @flow
        def sub() -> None:
            load(day)
            raise PowerCut

        return sub

    result = replayed(with_argument("a"), with_argument("b"))

    assert "another value of day" in result.problems[0]


def test_hooks_and_what_leaves_the_run_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))

    def hook(*_: object) -> None:
        RAN["hook"] += 1

    hooked = load.with_options(
        on_commit=[hook], on_rollback=[hook], on_completion=[hook], persist_result=True
    )

    def old() -> None:
        with transaction():
            hooked("a")
            create_markdown_artifact("# done", key="report")
            check(str(uuid4()))

    def new() -> None:
        before.append({path for path in tmp_path.rglob("*") if path.is_file()})
        with transaction():
            hooked("a")
            create_markdown_artifact("# done", key="report")
            check(str(uuid4()))
            check("more")

    before: list[set[Path]] = []
    replayed(old, new, on_cancellation=[hook], on_running=[hook], on_completion=[hook])

    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before[-1]


def test_a_task_whose_result_is_not_kept_does_not_run() -> None:
    def old() -> str:
        return load("a") * unkept() + load("b")

    result = replayed(old, old)

    assert result.problems == ()
    assert result.waiting == {"unkept": 1}
    assert result.unkept == ("unkept",)


def test_a_block_that_was_rolled_back_is_replayed_as_it_was() -> None:
    def old() -> str:
        try:
            with transaction():
                load("a")
                raise KeyError("no")
        except KeyError:
            return load("b")

    assert replayed(old, old).found == {"load": 2}


def test_workers_are_not_started() -> None:
    def mapped() -> list[str]:
        return load.map(["a", "b"]).result()

    result = replayed(mapped, mapped)
    again = replayed(both, mapped, task_runner=None)

    assert result.found == {"load": 2}
    assert again.problems
    assert ProcessPoolTaskRunner


def test_a_failure_is_replayed() -> None:
    @task
    def fails() -> None:
        RAN["fails"] += 1
        raise ValueError("no")

    def old() -> str:
        try:
            fails()
        except ValueError:
            return load("a")
        return ""

    assert replayed(old, old) == Replayed(found={"fails": 1, "load": 1}, waiting={})


def test_a_flow_that_fails_now_though_the_run_had_completed_is_a_problem() -> None:
    def new() -> None:
        raise RuntimeError("broken")

    assert "now the flow fails: RuntimeError: broken" in replayed(both, new).problems[0]


def test_the_journal_of_another_flow_is_none_of_this_one() -> None:
    runs = Runs(flow(both))
    runs.attempt()

    result = replay_records(flow(lambda: both()), runs.chain.read())

    assert "no call of this flow" in result.problems[0]
