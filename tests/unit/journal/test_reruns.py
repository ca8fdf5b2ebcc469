"""What a rerun keeps of the run before: everything, but what had failed, or what it drops."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import pytest
from tests.unit.journal.runs import CutChain, PowerCut, Runs

from penstock import Flow, flow, runtime, task
from penstock.engine.outcome import Outcome
from penstock.errors import RerunImpossible
from penstock.execution import RunContext, execute
from penstock.journal.chain import MemoryChain
from penstock.journal.records import lines_in
from penstock.journal.reruns import Origin, Rewind, kept
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder

done: Counter[str] = Counter()
keys: list[str] = []
broken = True


@pytest.fixture(autouse=True)
def nothing_is_done() -> None:
    global broken
    done.clear()
    keys.clear()
    broken = True


@task
def load(day: str) -> str:
    done["load"] += 1
    return f"rows of {day}"


@task
def clean(rows: str) -> str:
    done["clean"] += 1
    return rows.upper()


@task
def store(rows: str) -> str:
    done["store"] += 1
    keys.append(runtime.task_run.idempotency_key)
    if broken:
        raise RuntimeError("the disk is full")
    return rows


@flow
def daily(day: str = "monday") -> str:
    return store(clean(load(day)))


def failed(subject: Flow[..., Any] = daily, **parameters: object) -> MemoryChain:
    """Return the journal of a run that failed at its last task; the disk is emptied then."""
    global broken
    runs = Runs(subject)
    assert runs.attempt(**parameters).state.is_failed()
    broken = False
    return runs.chain


def rerun(old: MemoryChain, rewind: Rewind, *, subject: Flow[..., Any] = daily) -> Outcome:
    """Run a new run that begins with the journal of another one."""
    journal = open_journal(MemoryChain(), holder=Holder(attempt=1, process="b"))
    lines = kept(lines_in(old.read()), rewind=rewind)
    journal.adopt(lines, origin=Origin(run="daily-1", uid="u", first="daily-1"))
    context = RunContext("daily-2")
    context.journal, context.first_run_id = journal, "daily-1"
    return execute(subject, parameters={}, context=context)


@pytest.mark.parametrize(
    ("rewind", "again"),
    [
        pytest.param(Rewind(), {"store"}, id="failure"),
        pytest.param(Rewind(start="Start"), {"load", "clean", "store"}, id="start"),
        pytest.param(Rewind(start="Task", task="clean"), {"clean", "store"}, id="a task"),
        pytest.param(Rewind(start="Task", task="clean(clean)"), {"clean", "store"}, id="a key"),
        pytest.param(Rewind(start="Task", task="store"), {"store"}, id="the task that failed"),
    ],
)
def test_a_rerun_does_again_what_it_does_not_keep(rewind: Rewind, again: set[str]) -> None:
    old = failed(day="friday")

    outcome = rerun(old, rewind)

    assert outcome.result == "ROWS OF FRIDAY"
    assert {name for name in done if done[name] == 2} == again


def test_a_rerun_of_a_rerun_keeps_what_both_had_finished() -> None:
    old = failed()
    chain = MemoryChain()
    journal = open_journal(chain, holder=Holder(attempt=1, process="b"))
    origin = Origin(run="daily-1", uid="u", first="daily-1")
    journal.adopt(kept(lines_in(old.read()), rewind=Rewind()), origin=origin)

    outcome = rerun(chain, Rewind())

    assert outcome.result == "ROWS OF MONDAY"
    assert done == {"load": 1, "clean": 1, "store": 2}


def test_systems_outside_know_the_work_of_a_rerun_by_the_same_key() -> None:
    rerun(failed(), Rewind())

    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_task_that_stored_nothing_is_no_place_to_begin_with() -> None:
    with pytest.raises(RerunImpossible, match=r"named shave.*entries of: clean, daily, load"):
        rerun(failed(), Rewind(start="Task", task="shave"))


def test_what_was_dropped_once_is_dropped_for_the_next_attempts_too() -> None:
    runs = Runs(daily, chain=failed())

    open_journal(
        runs.chain,
        holder=Holder(attempt=5, process="c"),
        anew=True,
        rewind=Rewind(start="Task", task="clean"),
    )
    runs.attempts = 5
    outcome = runs.attempt()

    assert outcome.result == "ROWS OF MONDAY"
    assert done == {"load": 1, "clean": 2, "store": 2}


def test_an_unknown_task_leaves_the_journal_as_it_was() -> None:
    chain = failed()
    before = chain.read()

    with pytest.raises(RerunImpossible):
        open_journal(
            chain,
            holder=Holder(attempt=5, process="c"),
            rewind=Rewind(start="Task", task="shave"),
        )

    assert chain.read() == before


@pytest.mark.parametrize("stored", [False, True], ids=["before it is stored", "after"])
@pytest.mark.parametrize("cut_at", range(1, 7))
def test_a_copy_that_is_broken_off_is_finished_by_the_next_attempt(
    cut_at: int, stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.journal.run_journal.ADOPTED_BYTES", 1)  # a record for each entry
    lines = kept(lines_in(failed().read()), rewind=Rewind())
    origin = Origin(run="daily-1", uid="u", first="daily-1")
    chain = CutChain(cut_at=cut_at, stored=stored)
    with contextlib.suppress(PowerCut):
        open_journal(chain, holder=Holder(attempt=1, process="a")).adopt(lines, origin=origin)

    left = chain.restored()
    journal = open_journal(left, holder=Holder(attempt=2, process="b"))
    if journal.origin() is None:
        journal.adopt(lines, origin=origin)

    assert kept(lines_in(left.read()), rewind=Rewind()) == lines
    assert journal.origin() == origin
    assert Counter(lines_in(left.read())).most_common(1)[0][1] == 1


@pytest.mark.parametrize(
    ("rewind", "again"),
    [
        pytest.param(Rewind(), False, id="failure"),
        pytest.param(Rewind(start="Start"), True, id="start"),
        pytest.param(Rewind(start="Task", task="pay"), True, id="the task itself"),
    ],
)
def test_what_begins_at_most_once_begins_again_only_if_it_is_named(
    rewind: Rewind, again: bool
) -> None:
    @task(at_most_once=True)
    def pay() -> None:
        done["pay"] += 1
        if broken:
            raise RuntimeError("no money")

    @flow
    def paying() -> str:
        pay()
        return "paid"

    outcome = rerun(failed(paying), rewind, subject=paying)

    assert done["pay"] == 1 + again
    assert outcome.state.is_completed() is again


def test_a_rerun_is_a_run_that_begins_too() -> None:
    @task(on_running=[lambda *_: done.update(["load runs"])])
    def load() -> None:
        """Load."""

    @flow(on_running=[lambda *_: done.update(["flow runs"])])
    def loading() -> None:
        load()
        store("rows")

    rerun(failed(loading), Rewind(), subject=loading)

    assert done["flow runs"] == 2
    assert done["load runs"] == 1  # it had finished


def test_what_is_tried_anew_has_all_its_time_again() -> None:
    lines = [
        'due aa {"name":"load(load)","epoch":"0.1","at":"2026-11-20T12:00:00+00:00"}',
        'beat aa {"json":7}',
        'retry aa {"name":"load(load)","epoch":"0.1","attempts":1}',
    ]

    assert kept(lines, rewind=Rewind()) == ['beat aa {"json":7}']


def test_what_was_rolled_back_is_done_again() -> None:
    lines = [
        'done aa {"name":"load(load)","json":1}',
        'forgotten aa {"name":"load(load)","epoch":"0.1"}',
        'done bb {"name":"clean(clean)","json":2}',
    ]

    assert kept(lines, rewind=Rewind()) == ['done bb {"name":"clean(clean)","json":2}']
