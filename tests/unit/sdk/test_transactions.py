"""Transactions: what tasks did is committed together or undone together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from penstock import flow, task
from penstock.errors import PenstockError
from penstock.tasks import Task
from penstock.transactions import (
    AsyncTransaction,
    CommitMode,
    Transaction,
    get_transaction,
    transaction,
)


class Book:
    """What happened, in order; and tasks that write into it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def task(self, name: str, **options: Any) -> Task[[], str]:
        """Return a task that notes its run, its commit and its roll-back."""

        @task(name=name, **options)
        def note() -> str:
            self.lines.append(name)
            return name

        note.on_commit(lambda _: self.lines.append(f"commit {name}"))
        note.on_rollback(lambda _: self.lines.append(f"undo {name}"))
        return note

    def failing(self, name: str, **options: Any) -> Task[[], str]:
        """Return such a task that fails."""
        failing = self.task(name, **options)

        def fail() -> str:
            self.lines.append(name)
            raise ValueError(name)

        changed: Task[[], str] = Task(fail, **failing.options)
        return changed


@pytest.fixture
def book() -> Book:
    return Book()


def test_tasks_of_a_transaction_are_committed_at_its_end_in_order(book: Book) -> None:
    one, two = book.task("one"), book.task("two")

    @flow
    def both() -> None:
        with transaction():
            one()
            two()
            book.lines.append("end")

    both()

    assert book.lines == ["one", "two", "end", "commit one", "commit two"]


def test_an_exception_undoes_the_tasks_in_reverse_order(book: Book) -> None:
    one, two = book.task("one"), book.task("two")

    @flow
    def both() -> None:
        with transaction():
            one()
            two()
            raise KeyError("no")

    with pytest.raises(KeyError):
        both()

    assert book.lines == ["one", "two", "undo two", "undo one"]


def test_a_task_that_fails_undoes_the_others_at_once_and_not_itself(book: Book) -> None:
    one, bad, two = book.task("one"), book.failing("bad"), book.task("two")

    @flow
    def caught() -> bool:
        with transaction() as txn:
            one()
            with pytest.raises(ValueError, match="bad"):
                bad()
            book.lines.append("caught")
            two()
            return txn.is_rolled_back()

    assert caught()
    assert book.lines == ["one", "bad", "undo one", "caught", "two", "undo two"]


def test_a_task_that_succeeds_at_its_second_attempt_undoes_nothing(book: Book) -> None:
    """In Prefect the failed attempt has rolled the transaction back by then."""
    one = book.task("one")
    attempts: list[int] = []

    @task(retries=1)
    def second_time() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("first")

    @flow
    def both() -> None:
        with transaction():
            one()
            second_time()

    both()

    assert book.lines == ["one", "commit one"]


def test_a_task_alone_is_committed_at_its_own_end(book: Book) -> None:
    book.task("one")()

    assert book.lines == ["one", "commit one"]


def test_submitted_tasks_belong_to_the_transaction_and_are_waited_for(book: Book) -> None:
    one, bad = book.task("one"), book.failing("bad")

    @flow
    def submits(*, fails: bool) -> None:
        with transaction() as txn:
            first = one.submit()
            if fails:
                bad.submit(wait_for=[first])
        book.lines.append(txn.state)

    submits(fails=False)
    with pytest.raises(ValueError, match="bad"):
        submits(fails=True)

    assert book.lines == [
        *("one", "commit one", "COMMITTED"),
        *("one", "bad", "undo one", "ROLLED_BACK"),
    ]


def test_async_code_has_transactions_too(book: Book) -> None:
    one = book.task("one")

    @task
    async def two() -> None:
        await asyncio.sleep(0)

    @two.on_commit
    async def confirm(txn: AsyncTransaction) -> None:
        await asyncio.sleep(0)
        book.lines.append(f"commit {txn.name}")

    @two.on_rollback
    async def undo(txn: AsyncTransaction) -> None:
        await asyncio.sleep(0)
        book.lines.append(f"undo {txn.name}")

    @flow
    async def both(*, fails: bool) -> None:
        async with transaction():
            one()
            await asyncio.gather(two(), two())
            if fails:
                raise KeyError("no")

    asyncio.run(both(fails=False))
    with pytest.raises(KeyError):
        asyncio.run(both(fails=True))

    assert book.lines[:4] == ["one", "commit one", "commit two-0", "commit two-1"]
    assert book.lines[4:] == ["one", "undo two-1", "undo two-0", "undo one"]


def test_async_hooks_work_in_a_sync_block_of_an_async_flow(book: Book) -> None:
    @task
    def one() -> None:
        """Do nothing."""

    @one.on_commit
    async def confirm(_: Transaction) -> None:
        await asyncio.sleep(0)
        book.lines.append("committed")

    @flow
    async def around() -> None:
        with transaction():
            one()

    asyncio.run(around())

    assert book.lines == ["committed"]


def test_a_nested_transaction_is_committed_with_the_outer_one(book: Book) -> None:
    one, two, three = book.task("one"), book.task("two"), book.task("three")

    @flow
    def nested() -> None:
        with transaction():
            one()
            with transaction():
                two()
            three()

    nested()

    assert book.lines[3:] == ["commit one", "commit two", "commit three"]


def test_a_nested_transaction_that_fails_takes_the_outer_one_along(book: Book) -> None:
    one, two, three = book.task("one"), book.task("two"), book.task("three")

    @flow
    def nested() -> None:
        with transaction():
            one()
            with suppress(KeyError), transaction():
                two()
                raise KeyError("no")
            three()

    nested()

    assert book.lines == ["one", "two", "undo two", "undo one", "three", "undo three"]


def test_an_eager_transaction_commits_each_task_at_its_end(book: Book) -> None:
    one, two = book.task("one"), book.task("two")

    @flow
    def eager() -> None:
        with transaction(commit_mode=CommitMode.EAGER):
            one()
            two()

    eager()

    assert book.lines == ["one", "commit one", "two", "commit two"]


def test_a_transaction_that_is_off_is_undone_unless_committed_by_hand(book: Book) -> None:
    one = book.task("one")

    @flow
    def off(*, commits: bool) -> list[bool]:
        with transaction(commit_mode=CommitMode.OFF) as txn:
            one()
            return [txn.commit(), txn.commit()] if commits else []

    assert off(commits=True) == [True, False]
    assert off(commits=False) == []
    assert book.lines == ["one", "commit one", "one", "undo one"]


def test_a_block_can_be_rolled_back_by_hand(book: Book) -> None:
    one = book.task("one")

    @flow
    def undone() -> None:
        with transaction() as txn:
            one()
            assert txn.rollback()

    undone()

    assert book.lines == ["one", "undo one"]


def test_tasks_called_by_a_task_are_undone_when_it_fails(book: Book) -> None:
    one, two = book.task("one"), book.task("two")

    @task
    def outer() -> None:
        one()
        two.submit().result()
        raise KeyError("no")

    with pytest.raises(KeyError):
        outer()

    assert book.lines == ["one", "two", "undo two", "undo one"]


def test_tasks_called_by_a_task_are_kept_while_it_is_retried(book: Book) -> None:
    one = book.task("one")
    attempts: list[int] = []

    @task(retries=1)
    def outer() -> None:
        one()
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyError("first")

    outer()

    assert book.lines == ["one", "commit one"]


def test_a_subflow_belongs_to_the_transaction_around_it(book: Book) -> None:
    one = book.task("one")

    @flow
    def inner() -> None:
        one()

    @flow
    def outer() -> None:
        with transaction():
            inner()
            raise KeyError("no")

    with pytest.raises(KeyError):
        outer()

    assert book.lines == ["one", "undo one"]


@pytest.mark.parametrize("submits", [False, True], ids=["called", "submitted"])
def test_a_flow_retry_runs_again_what_was_undone(book: Book, *, submits: bool) -> None:
    before, one = book.task("before"), book.task("one")
    attempts: list[int] = []

    @flow
    def inner() -> None:
        one.submit() if submits else one()

    @flow(retries=1)
    def retried() -> None:
        before()
        with transaction():
            inner()
            attempts.append(1)
            if len(attempts) == 1:
                raise KeyError("first")

    retried()

    assert book.lines == ["before", "commit before", "one", "undo one", "one", "commit one"]


def test_a_flow_retry_neither_repeats_nor_undoes_what_was_committed(book: Book) -> None:
    one, two = book.task("one"), book.task("two")
    attempts: list[int] = []

    @flow(retries=1)
    def retried() -> None:
        with transaction():
            one()
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyError("first")
        with transaction():
            two()

    retried()

    assert book.lines == ["one", "commit one", "two", "commit two"]


def test_hooks_see_what_was_set_in_the_task_and_around_it() -> None:
    seen: list[object] = []

    @task
    def write() -> None:
        txn = get_transaction()
        assert txn is not None
        txn.set("path", ["a"])

    @write.on_rollback
    def remove(txn: Transaction) -> None:
        seen.extend([txn.get("path"), txn.get("user"), txn.get("nothing", None)])

    @flow
    def writes() -> None:
        with transaction() as txn:
            txn.set("user", "ada")
            write()
            raise KeyError("no")

    with pytest.raises(KeyError):
        writes()

    assert seen == [["a"], "ada", None]


def test_a_value_is_copied_when_it_is_got() -> None:
    with transaction() as txn:
        txn.set("list", [1])
        txn.get("list").append(2)  # type: ignore[attr-defined]

        assert txn.get("list") == [1]


def test_a_value_that_nobody_set_says_what_to_do() -> None:
    with transaction() as txn, pytest.raises(ValueError, match="set\\('size', …\\) it first"):
        txn.get("size")


def test_the_innermost_transaction_is_the_one_that_is_got() -> None:
    found: list[object] = []

    @task
    def plain() -> None:
        found.append(get_transaction())
        with transaction() as txn:
            assert get_transaction() is txn
        assert get_transaction() is found[-1]

    @flow
    def flows() -> None:
        assert get_transaction() is None
        with transaction() as txn:
            assert get_transaction() is txn
            plain()
        assert get_transaction() is None

    flows()

    assert isinstance(found[0], Transaction)
    assert found[0].is_committed()


def test_a_block_has_hooks_of_its_own() -> None:
    calls: list[str] = []

    def stage_and(raises: bool) -> None:
        with transaction() as txn:
            txn.stage(
                {"rows": 3},
                on_rollback_hooks=[lambda txn: calls.append(f"undo {txn.state}")],
                on_commit_hooks=[lambda txn: calls.append(f"commit {txn.state}")],
            )
            assert txn.is_staged()
            if raises:
                raise KeyError("no")

    stage_and(False)
    with pytest.raises(KeyError):
        stage_and(True)

    assert calls == ["commit STAGED", "undo ROLLED_BACK"]


def bad(_: object) -> None:
    raise OSError("hook")


def test_a_roll_back_hook_that_fails_keeps_no_other_from_being_called(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = book.task("one"), book.task("two")
    two.on_rollback(bad)

    with suppress(KeyError), transaction():
        one()
        two()
        raise KeyError("no")

    assert book.lines == ["one", "two", "undo two", "undo one"]
    assert "The roll-back hook bad of two-0 failed." in caplog.text


def test_a_commit_hook_that_fails_undoes_its_own_task_alone(book: Book) -> None:
    one, two = book.task("one"), book.task("two")
    two.on_commit(bad)

    with transaction() as txn:
        one()
        two()

    assert book.lines == ["one", "two", "commit one", "commit two", "undo two"]
    assert txn.is_committed()


def test_a_cancelled_flow_undoes_what_it_did(book: Book) -> None:
    from penstock.execution import RunContext, execute

    one, context = book.task("one"), RunContext("cancelled")

    @flow
    def cancelled() -> None:
        with transaction():
            one()
            context.request_cancel()
            one()

    outcome = execute(cancelled, parameters={}, context=context)

    assert outcome.state.is_cancelled()
    assert book.lines == ["one", "undo one"]


def test_a_block_is_entered_once() -> None:
    block = transaction()
    with block:
        pass

    with pytest.raises(PenstockError, match="entered once"), block:
        pass


@pytest.mark.parametrize("make", [lambda task: task, lambda task: task.with_options(name="new")])
def test_options_and_decorators_list_the_same_hooks(make: Callable[[Any], Any]) -> None:
    calls: list[str] = []

    @task(on_commit=[lambda _: calls.append("first")])
    def one() -> None:
        """Do nothing."""

    @one.on_commit
    def second(_: Transaction) -> None:
        calls.append("second")

    make(one)()

    assert calls == ["first", "second"]
