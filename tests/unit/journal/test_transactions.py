"""Transactions of runs whose process goes away (rule 19): what is left is a copy of the chain."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.unit.journal.runs import CutChain, PowerCut, Runs

from penstock import flow, runtime, task
from penstock.journal.chain import MemoryChain
from penstock.transactions import Transaction, get_transaction, transaction


class World:
    """What tasks and hooks did, and what the journal held when a body asked for a copy."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.chain = MemoryChain()
        self.left: MemoryChain | None = None

    def copy_chain(self) -> None:
        """Note what the process would leave if it were killed now; once."""
        if self.left is None:
            self.left = MemoryChain()
            for number, record in enumerate(self.chain.read()):
                self.left.put(number, record)

    def taken_up(self) -> MemoryChain:
        """Return what was left, and forget what was done since."""
        assert self.left is not None
        self.chain = self.left
        self.lines.clear()
        return self.left


@pytest.fixture
def world() -> World:
    return World()


Go = Callable[[], None]


@pytest.fixture
def write(world: World) -> Go:
    @task
    def write() -> str:
        world.lines.append("write")
        txn = get_transaction()
        assert txn is not None
        txn.set("path", "/a")
        return "written"

    write.on_commit(lambda txn: world.lines.append(f"commit {txn.get('path')}"))

    @write.on_rollback
    def remove(txn: Transaction) -> None:
        world.lines.append(f"remove {txn.get('path')}")

    return write


@pytest.mark.parametrize(
    ("fails", "lines"), [(False, ["commit /a"]), (True, ["remove /a"])], ids=["goes on", "fails"]
)
def test_what_had_completed_is_staged_again_and_committed_or_undone(
    world: World, write: Go, *, fails: bool, lines: list[str]
) -> None:
    @flow
    def writes() -> None:
        with transaction():
            write()
            world.copy_chain()
            if fails:
                raise KeyError("no")

    Runs(writes, chain=world.chain).attempt()
    Runs(writes, chain=world.taken_up(), attempts=1).attempt()

    assert world.lines == lines


def test_what_was_committed_is_neither_committed_nor_undone_again(world: World, write: Go) -> None:
    @flow
    def writes() -> None:
        with transaction() as txn:
            write()
        assert txn.is_committed()
        world.copy_chain()
        raise KeyError("no")

    Runs(writes, chain=world.chain).attempt()
    Runs(writes, chain=world.taken_up(), attempts=1).attempt(anew=True)

    assert world.lines == []


def test_a_task_alone_is_not_committed_again(world: World, write: Go) -> None:
    @flow
    def writes() -> None:
        write()
        world.copy_chain()

    Runs(writes, chain=world.chain).attempt()
    Runs(writes, chain=world.taken_up(), attempts=1).attempt()

    assert world.lines == []


def test_what_was_rolled_back_runs_again(world: World, write: Go) -> None:
    @flow
    def writes() -> None:
        try:
            with transaction():
                write()
                if world.left is None:
                    raise KeyError("no")
        finally:
            world.copy_chain()

    Runs(writes, chain=world.chain).attempt()
    outcome = Runs(writes, chain=world.taken_up(), attempts=1).attempt(anew=True)

    assert outcome.state.is_completed()
    assert world.lines == ["write", "commit /a"]


@pytest.mark.parametrize("heals", [False, True], ids=["fails again", "would not fail again"])
def test_a_block_that_failed_stays_undone_when_its_flow_is_taken_up_again(
    world: World, write: Go, *, heals: bool
) -> None:
    """The flow has gone on as after a failure, and what it did since is stored."""

    @task
    def apologise(path: str) -> None:
        world.lines.append(f"apologise for {path}")

    @flow
    def writes() -> str:
        path = ""
        try:
            with transaction():
                path = write()
                if not heals or world.left is None:
                    raise KeyError("no")
        except KeyError as error:
            apologise(f"{path}, {error}")
        else:
            return "done"
        world.copy_chain()
        return "not done"

    Runs(writes, chain=world.chain).attempt()
    outcome = Runs(writes, chain=world.taken_up(), attempts=1).attempt()

    assert outcome.result == "not done"
    assert world.lines == []


def test_a_block_whose_failure_cannot_be_stored_is_done_anew(world: World, write: Go) -> None:
    @flow
    def writes() -> None:
        try:
            with transaction():
                write()
                raise KeyError(threading.Lock())
        except KeyError:
            world.copy_chain()

    Runs(writes, chain=world.chain).attempt()
    Runs(writes, chain=world.taken_up(), attempts=1).attempt()

    assert world.lines == ["write", "remove /a"]


def test_work_is_undone_once_for_the_failure_of_the_block_around(world: World, write: Go) -> None:
    @flow
    def writes() -> None:
        with suppress(KeyError), transaction():
            with transaction():
                write()
            raise KeyError("no")
        world.copy_chain()

    Runs(writes, chain=world.chain).attempt()
    outcome = Runs(writes, chain=world.taken_up(), attempts=1).attempt()

    assert outcome.state.is_completed()
    assert world.lines == []


def test_a_retry_of_the_flow_does_anew_what_was_undone_also_after_a_crash(
    world: World, write: Go
) -> None:
    @task
    def fail_once() -> None:
        if not world.left:
            world.copy_chain()
            raise PowerCut

    @flow(retries=1)
    def writes() -> None:
        with transaction():
            write()
            if runtime.flow_run.run_count == 1:
                raise KeyError("no")
        fail_once()

    with suppress(PowerCut):
        Runs(writes, chain=world.chain).attempt()
    outcome = Runs(writes, chain=world.taken_up(), attempts=1).attempt()

    assert outcome.state.is_completed()
    assert world.lines == []


def test_a_sub_flow_that_was_rolled_back_is_entered_again(world: World, write: Go) -> None:
    @flow
    def inner() -> None:
        write()

    @flow
    def writes() -> None:
        try:
            with transaction():
                inner()
                if world.left is None:
                    raise KeyError("no")
        finally:
            world.copy_chain()

    Runs(writes, chain=world.chain).attempt()
    Runs(writes, chain=world.taken_up(), attempts=1).attempt(anew=True)

    assert world.lines == ["write", "commit /a"]


def test_hooks_of_tasks_that_a_task_called_are_lost_and_that_is_said(
    world: World, write: Go, caplog: pytest.LogCaptureFixture
) -> None:
    @task
    def outer() -> None:
        write()

    @flow
    def writes() -> None:
        with transaction():
            outer()
            world.copy_chain()

    Runs(writes, chain=world.chain).attempt()
    Runs(writes, chain=world.taken_up(), attempts=1).attempt()

    assert world.lines == []
    assert "The hooks of the tasks that it called are not called any more" in caplog.text


@pytest.mark.parametrize("submits", [False, True], ids=["called", "submitted"])
@pytest.mark.parametrize("fails", [False, True], ids=["commits", "rolls back"])
@pytest.mark.parametrize("stored", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("cut_at", range(1, 12))
def test_wherever_a_process_dies_the_work_is_in_the_end_done_or_undone(
    *, cut_at: int, stored: bool, fails: bool, submits: bool
) -> None:
    chain = CutChain(cut_at=cut_at, stored=stored)
    alive: MemoryChain = chain
    world: set[str] = set()
    confirmed: set[str] = set()

    def act(change: Callable[[str], None], what: str) -> None:
        """Change the world, unless the process that would do it is dead."""
        if alive is chain and chain.was_cut:
            raise PowerCut
        change(what)

    @task
    def do(what: str) -> None:
        txn = get_transaction()
        assert txn is not None
        txn.set("what", what)
        act(world.add, what)

    do.on_rollback(lambda txn: act(world.discard, txn.get("what")))
    do.on_commit(lambda txn: act(confirmed.add, txn.get("what")))

    @flow
    def works() -> None:
        with transaction():
            for what in ("a", "b"):
                do.submit(what).result() if submits else do(what)
            if fails:
                raise KeyError("no")

    runs = Runs(works, chain=chain)
    with suppress(PowerCut):
        runs.attempt()
    runs.chain = alive = chain.restored()
    outcome = runs.attempt()

    assert outcome.state.is_failed() if fails else outcome.state.is_completed()
    assert world == (set() if fails else {"a", "b"})
    assert confirmed == (set() if fails else {"a", "b"})


@pytest.mark.parametrize("cut_at", range(3, 6))
def test_a_journal_that_breaks_while_a_submitted_task_commits_holds_nothing_up(
    *, cut_at: int
) -> None:
    @task(on_commit=[lambda _: None])
    def do() -> str:
        return "done"

    @flow
    def works() -> str:
        return do.submit().result()

    chain = CutChain(cut_at=cut_at, stored=False)
    Runs(works, chain=chain).attempt()
    outcome = Runs(works, chain=chain.restored(), attempts=1).attempt()

    assert outcome.result == "done"
