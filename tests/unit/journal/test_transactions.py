"""Transactions of runs whose process goes away (rule 19): what is left is a copy of the chain."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.journal.runs import Runs

from penstock import flow, task
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
