"""The rule of transactions, without tasks: what is staged is committed or undone, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.effects import CallHook, Effect, Steps, Within
from penstock.engine.hooks import Hook
from penstock.engine.transactions import CommitMode, Transaction
from penstock.states import Completed


@dataclass(frozen=True)
class Node:
    """A task or a block, with what runs inside it before its own end."""

    is_block: bool
    fails: bool
    mode: CommitMode | None = None
    children: tuple[Node, ...] = ()
    bad_commit: bool = False
    bad_rollback: bool = False


def nodes(*, bad_hooks: st.SearchStrategy[bool]) -> st.SearchStrategy[Node]:
    fails = st.sampled_from([False, False, False, True])
    modes = st.sampled_from([None, *CommitMode])

    def with_children(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        children = st.lists(inner, max_size=4).map(tuple)
        task = st.builds(
            Node,
            is_block=st.just(False),
            fails=fails,
            children=children,
            bad_commit=bad_hooks,
            bad_rollback=bad_hooks,
        )
        block = st.builds(Node, is_block=st.just(True), fails=fails, mode=modes, children=children)
        return task | block

    leaf = st.builds(
        Node, is_block=st.just(False), fails=fails, bad_commit=bad_hooks, bad_rollback=bad_hooks
    )
    return st.recursive(leaf, with_children, max_leaves=12)


@dataclass
class History:
    """What happened to the staged tasks, in order; a list for each end of a task or block."""

    staged: list[int] = field(default_factory=list)
    committed: list[list[int]] = field(default_factory=list)
    undone: list[list[int]] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    def run(self, node: Node, *, parent: Transaction | None = None) -> Transaction:
        """Let a task or block run; whoever is around catches what it raises."""
        transaction = Transaction(
            "any", parent=parent, commit_mode=node.mode, is_block=node.is_block
        )
        for child in node.children:
            self.run(child, parent=transaction)
        if not (node.is_block or node.fails):
            self._stage(transaction, node)
        self.undone.append([])
        self.committed.append([])
        carry_out(transaction.ending(failed=node.fails))
        return transaction

    def _stage(self, transaction: Transaction, node: Node) -> None:
        number = next(self.numbers)
        self.staged.append(number)

        def commit() -> None:
            if node.bad_commit:
                raise ValueError("commit")
            self.committed[-1].append(number)

        def undo() -> None:
            self.undone[-1].append(number)
            if node.bad_rollback:
                raise ValueError("rollback")

        transaction.stage_hooks(on_rollback=[hook(undo)], on_commit=[hook(commit)])


def hook(function: Callable[[], object]) -> Hook:
    return Hook(function.__name__, lambda _transaction, _state: function())


def carry_out(steps: Steps[object]) -> None:
    """Do what a driver does with the effects."""
    trouble: BaseException | None = None
    while True:
        try:
            effect: Effect[object] = steps.throw(trouble) if trouble else steps.send(None)
        except StopIteration:
            return
        trouble = None
        assert isinstance(effect, Within)
        if isinstance(effect.effect, CallHook):
            try:
                effect.effect.hook.function(None, Completed())
            except ValueError as error:
                trouble = error


@given(nodes(bad_hooks=st.booleans()))
def test_each_staged_task_is_committed_once_or_undone_once(node: Node) -> None:
    history = History()

    history.run(node)

    ended = [number for end in history.committed + history.undone for number in end]
    assert sorted(ended) == history.staged


@given(nodes(bad_hooks=st.just(False)))
def test_a_roll_back_undoes_in_reverse_and_a_commit_goes_in_order(node: Node) -> None:
    history = History()

    history.run(node)

    assert all(end == sorted(end) for end in history.committed)
    assert all(end == sorted(end, reverse=True) for end in history.undone)


@given(st.lists(nodes(bad_hooks=st.just(False)), max_size=4))
def test_a_block_whose_tasks_fail_or_that_raises_commits_nothing_lazy(inside: list[Node]) -> None:
    history = History()
    lazy = tuple(node for node in inside if not node.is_block and not eager_in(node))

    history.run(Node(is_block=True, fails=True, children=lazy))

    assert not any(history.committed)


def eager_in(node: Node) -> bool:
    return node.mode is CommitMode.EAGER or any(map(eager_in, node.children))


@pytest.mark.parametrize("failed", [True, False], ids=["rolled back", "committed"])
def test_what_joins_while_the_end_is_made_shares_its_fate_once(*, failed: bool) -> None:
    block = Transaction("block", is_block=True)
    committed: list[int] = []
    undone: list[int] = []
    start = threading.Barrier(5)

    def join(first: int) -> None:
        start.wait()
        for number in range(first, first + 200):
            child = Transaction("child", parent=block)
            child.stage_hooks(
                on_rollback=[hook(lambda number=number: undone.append(number))],
                on_commit=[hook(lambda number=number: committed.append(number))],
            )
            carry_out(child.ending(failed=False))

    threads = [threading.Thread(target=join, args=(200 * each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    start.wait()
    carry_out(block.ending(failed=failed))
    for thread in threads:
        thread.join()

    assert sorted(undone if failed else committed) == list(range(800))
    assert (committed if failed else undone) == []
