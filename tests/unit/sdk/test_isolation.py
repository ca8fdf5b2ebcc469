"""Cached results in transactions: who sees them when, and who waits for whom."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

import pytest

from penstock import flow, task
from penstock.cache_policies import INPUTS, TASK_SOURCE
from penstock.errors import PenstockError
from penstock.execution import RunContext, execute
from penstock.filesystems import RemoteFileSystem
from penstock.locking.filesystem import FileSystemLockManager
from penstock.locking.memory import MemoryLockManager
from penstock.results import MemoryResults, ResultStore
from penstock.states import State
from penstock.tasks import Task
from penstock.transactions import CommitMode, IsolationLevel, transaction

SERIAL = INPUTS.configure(isolation_level=IsolationLevel.SERIALIZABLE)


@pytest.fixture
def ran() -> list[str]:
    return []


@pytest.fixture
def load(request: pytest.FixtureRequest, ran: list[str]) -> Task[[str], str]:
    """Return a cached task of a name of its own, so that tests share no results."""

    @task(name=request.node.name, cache_policy=INPUTS)
    def load(what: str) -> str:
        ran.append(what)
        return what.upper()

    return load


def test_a_result_is_kept_when_its_transaction_commits(
    load: Task[[str], str], ran: list[str]
) -> None:
    with transaction():
        assert load("a") == "A"
    assert load("a", return_state=True).name == "Cached"

    with suppress(KeyError), transaction():
        load("b")
        raise KeyError("no")
    assert load("b", return_state=True).name == "Completed"

    assert ran == ["a", "b", "b"]


def test_a_transaction_finds_the_results_that_it_has_not_committed(
    load: Task[[str], str], ran: list[str]
) -> None:
    with transaction():
        load("a")
        with transaction():
            assert load("a", return_state=True).name == "Cached"

    assert ran == ["a"]


def test_what_was_rolled_back_is_not_found_any_more(load: Task[[str], str], ran: list[str]) -> None:
    with transaction() as txn:
        load("a")
        txn.rollback()
        load("a")

    assert ran == ["a", "a"]


def test_an_eager_transaction_keeps_results_at_once(load: Task[[str], str], ran: list[str]) -> None:
    with suppress(KeyError), transaction(commit_mode=CommitMode.EAGER):
        load("a")
        raise KeyError("no")
    load("a")

    assert ran == ["a"]


def test_a_commit_hook_that_fails_keeps_the_result_from_being_kept(
    load: Task[[str], str], ran: list[str]
) -> None:
    @load.on_commit
    def bad(_: object) -> None:
        raise OSError("hook")

    load("a")
    load("a")

    assert ran == ["a", "a"]


def names(states: list[State[str]]) -> list[str]:
    return sorted(state.name for state in states)


@pytest.mark.parametrize("in_block", [False, True], ids=["alone", "in a transaction"])
def test_serializable_tasks_of_one_key_run_once(
    load: Task[[str], str], ran: list[str], *, in_block: bool
) -> None:
    serial = load.with_options(cache_policy=SERIAL)
    results: list[State[str]] = []

    @flow
    def many() -> None:
        futures = serial.map(["a"] * 8)
        futures.wait()
        results.extend(future.state for future in futures)

    @flow
    def in_one() -> None:
        with transaction():
            many()

    in_one() if in_block else many()

    assert ran == ["a"]
    assert names(results) == ["Cached"] * 7 + ["Completed"]


def test_serializable_async_tasks_run_once(request: pytest.FixtureRequest) -> None:
    ran: list[str] = []

    @task(name=request.node.name, cache_policy=SERIAL)
    async def load(what: str) -> str:
        ran.append(what)
        await asyncio.sleep(0.001)
        return what.upper()

    @flow
    async def many() -> list[str]:
        async with transaction():
            return await asyncio.gather(*(load("a") for _ in range(4)))

    assert asyncio.run(many()) == ["A"] * 4
    assert ran == ["a"]


def test_other_tasks_of_one_key_run_at_once(request: pytest.FixtureRequest) -> None:
    both = threading.Barrier(2, timeout=60)

    @task(name=request.node.name, cache_policy=INPUTS)
    def meet(what: str) -> int:
        return both.wait()

    @flow
    def two() -> set[int]:
        return set(meet.map(["a", "a"]).result())

    assert two() == {0, 1}


def test_a_task_that_fails_lets_go_of_its_lock(
    request: pytest.FixtureRequest, ran: list[str]
) -> None:
    @task(name=request.node.name, cache_policy=SERIAL)
    def fail_first(what: str) -> str:
        ran.append(what)
        if len(ran) == 1:
            raise ValueError("first")
        return what

    with pytest.raises(ValueError, match="first"):
        fail_first("a")

    assert fail_first("a") == "a"


def test_a_task_that_is_dropped_lets_go_of_its_lock(
    request: pytest.FixtureRequest, ran: list[str]
) -> None:
    context = RunContext("dropped", cancel_grace_seconds=0.0)

    @task(name=request.node.name, cache_policy=SERIAL, retries=1, retry_delay_seconds=60)
    def retried(what: str) -> str:
        ran.append(what)
        if len(ran) == 1:
            context.request_cancel()
            raise ValueError("first")
        return what

    @flow
    def cancelled() -> None:
        retried.submit("a").wait()

    outcome = execute(cancelled, parameters={}, context=context)

    assert outcome.state.is_cancelled()
    assert retried("a") == "a"


def test_a_key_is_committed_once() -> None:
    store, found = MemoryResults(), []
    for number in range(2):
        with transaction("report", store=store) as txn:
            found.append((txn.is_committed(), txn.read()))
            if not txn.is_committed():
                txn.stage({"number": number})

    with transaction("report", store=store, overwrite=True) as txn:
        txn.stage("new")
    with transaction("report", store=store) as txn:
        found.append((txn.is_committed(), txn.read()))
    with transaction("unwritten", store=store, write_on_commit=False) as txn:
        txn.stage("lost")

    assert found == [(False, None), (True, {"number": 0}), (True, "new")]
    assert store.find("unwritten") is None


def test_a_key_that_is_rolled_back_is_not_committed() -> None:
    store = MemoryResults()

    with suppress(KeyError), transaction("report", store=store) as txn:
        txn.stage("half")
        raise KeyError("no")

    with transaction("report", store=store) as txn:
        assert not txn.is_committed()


def in_two_threads(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_serializable_transactions_of_one_key_are_open_one_at_a_time(tmp_path: Path) -> None:
    store, found = ResultStore(result_storage=tmp_path), []

    def work() -> None:
        with transaction("k", store, isolation_level=IsolationLevel.SERIALIZABLE) as txn:
            found.append(txn.read())
            if not txn.is_committed():
                txn.stage("done")

    in_two_threads(work)

    assert found == [None, "done"]


def test_serializable_transactions_of_one_key_may_stand_in_one_transaction() -> None:
    store, found = MemoryResults(), []

    with transaction():
        for number in range(2):
            with transaction("k", store, isolation_level=IsolationLevel.SERIALIZABLE) as txn:
                found.append(txn.read())
                if not txn.is_committed():
                    txn.stage(number + 1)

    assert found == [None, 1]
    assert not MemoryLockManager().is_locked("k")


def test_a_serializable_transaction_needs_a_key() -> None:
    with pytest.raises(PenstockError, match="needs a key"):
        transaction(isolation_level=IsolationLevel.SERIALIZABLE)


def test_results_elsewhere_need_a_lock_manager(tmp_path: Path) -> None:
    far = RemoteFileSystem(f"file://{tmp_path}")

    @task(cache_policy=SERIAL, result_storage=far)
    def load(what: str) -> str:
        return what

    with pytest.raises(PenstockError, match="give them by configure"):
        load("a")
    locks = FileSystemLockManager(tmp_path / "locks")
    assert load.with_options(cache_policy=SERIAL.configure(lock_manager=locks))("a") == "a"


def test_a_policy_says_where_results_are_kept(tmp_path: Path, load: Task[[str], str]) -> None:
    stored = load.with_options(cache_policy=SERIAL.configure(key_storage=tmp_path))

    assert stored("a") == "A"

    assert len(list(tmp_path.glob("*.result"))) == 1
    assert list((tmp_path / ".locks").iterdir()) == []


def test_policies_that_contradict_each_other_cannot_be_added(tmp_path: Path) -> None:
    other = TASK_SOURCE.configure(isolation_level="READ_COMMITTED")

    assert (SERIAL + TASK_SOURCE).isolation_level is IsolationLevel.SERIALIZABLE
    with pytest.raises(ValueError, match="different values of isolation_level"):
        SERIAL + other


def test_a_stream_that_its_caller_left_keeps_no_result(request: pytest.FixtureRequest) -> None:
    began: list[int] = []

    @task(name=request.node.name, cache_policy=SERIAL)
    def count() -> Generator[int, None, None]:
        began.append(1)
        yield from (1, 2, 3)

    with transaction():
        for _ in count():
            break
        assert list(count()) == [1, 2, 3]

    assert list(count()) == [1, 2, 3]
    assert len(began) == 2
