"""Transactions of tasks whose bodies run in other processes."""

from collections.abc import Iterator

import pytest

from penstock import flow, task
from penstock.task_runners import ProcessPoolTaskRunner
from penstock.transactions import Transaction, get_transaction, transaction

SEEN: list[object] = []


@pytest.fixture(scope="module")
def runner() -> Iterator[ProcessPoolTaskRunner]:
    pool = ProcessPoolTaskRunner(max_workers=1)
    yield pool
    pool.close()


@task
def write(name: str) -> str:
    txn = get_transaction()
    assert txn is not None
    txn.set("name", f"{txn.get('user', 'nobody')}/{name}")
    return name


@write.on_rollback
def remove(txn: Transaction) -> None:
    SEEN.append(("undo", txn.get("name"), txn.get("user", None)))


@write.on_commit
def confirm(txn: Transaction) -> None:
    SEEN.append(("commit", txn.get("name")))


@task
def write_two() -> object:
    """Call tasks in the worker; they are committed there."""
    write("one")
    write("two")
    before = list(SEEN)
    SEEN.clear()
    return before


@task
def seen_there() -> object:
    there = list(SEEN)
    SEEN.clear()
    return there


def test_what_a_body_sets_in_a_worker_is_there_for_its_hooks(runner: ProcessPoolTaskRunner) -> None:
    SEEN.clear()

    @flow(task_runner=runner)
    def writes(*, fails: bool) -> None:
        with transaction() as txn:
            txn.set("user", "ada")
            write.map(["a", "b"]).result()
            if fails:
                raise KeyError("no")

    writes(fails=False)
    with pytest.raises(KeyError):
        writes(fails=True)

    assert SEEN == [
        ("commit", "ada/a"),
        ("commit", "ada/b"),
        ("undo", "ada/b", "ada"),
        ("undo", "ada/a", "ada"),
    ]


def test_tasks_called_in_a_worker_are_committed_there(runner: ProcessPoolTaskRunner) -> None:
    @flow(task_runner=runner)
    def writes() -> object:
        before = write_two.submit().result()
        return before, seen_there.submit().result()

    assert writes() == ([], [("commit", "nobody/one"), ("commit", "nobody/two")])
