"""Locks by key, in memory and in files; across processes in tests/integration."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from penstock.locking.filesystem import FileSystemLockManager
from penstock.locking.memory import MemoryLockManager

Locks = MemoryLockManager | FileSystemLockManager


@pytest.fixture(params=["memory", "files"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Locks:
    return MemoryLockManager() if request.param == "memory" else FileSystemLockManager(tmp_path)


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return f"a key: {request.node.name} / {'long ' * 60}"


def test_one_holder_has_a_lock_at_a_time(locks: Locks, key: str) -> None:
    assert locks.acquire_lock(key, "ada")
    assert not locks.acquire_lock(key, "bob", acquire_timeout=0)
    assert locks.acquire_lock(key, "ada", acquire_timeout=0)
    assert locks.acquire_lock("another", "bob", acquire_timeout=0)

    locks.release_lock(key, "ada")
    locks.release_lock("another", "bob")

    assert locks.acquire_lock(key, "bob", acquire_timeout=0)
    locks.release_lock(key, "bob")


def test_who_waits_gets_the_lock_when_it_is_let_go(locks: Locks, key: str) -> None:
    got: list[bool] = []
    locks.acquire_lock(key, "ada")
    waiting = threading.Thread(target=lambda: got.append(locks.acquire_lock(key, "bob")))
    waiting.start()

    locks.release_lock(key, "ada")
    waiting.join()

    assert got == [True]
    assert locks.is_lock_holder(key, "bob")
    locks.release_lock(key, "bob")


def test_locks_tell_who_holds_them(locks: Locks, key: str) -> None:
    assert not locks.is_locked(key)
    assert locks.wait_for_lock(key, timeout=0)

    locks.acquire_lock(key, "ada")

    assert locks.is_locked(key)
    assert locks.is_lock_holder(key, "ada")
    assert not locks.is_lock_holder(key, "bob")
    assert not locks.wait_for_lock(key, timeout=0)
    with pytest.raises(ValueError, match="bob does not hold"):
        locks.release_lock(key, "bob")
    locks.release_lock(key, "ada")
    assert not locks.is_locked(key)


def test_a_lock_is_let_go_when_its_time_is_over(locks: Locks, key: str) -> None:
    locks.acquire_lock(key, "ada", hold_timeout=0.01)

    assert locks.acquire_lock(key, "bob", acquire_timeout=60)
    locks.release_lock(key, "bob")


def test_async_code_waits_without_blocking_its_loop(locks: Locks, key: str) -> None:
    async def wait() -> bool:
        locks.acquire_lock(key, "ada")
        waiting = asyncio.create_task(locks.aacquire_lock(key, "bob"))
        await asyncio.sleep(0)
        locks.release_lock(key, "ada")
        got = await waiting
        locks.release_lock(key, "bob")
        return got and await locks.await_for_lock(key, timeout=0)

    assert asyncio.run(wait())


def test_two_managers_of_a_folder_share_its_locks_and_leave_no_files(tmp_path: Path) -> None:
    ours, theirs = FileSystemLockManager(tmp_path), FileSystemLockManager(str(tmp_path))

    ours.acquire_lock("key", "ada")

    assert theirs.is_locked("key")
    assert theirs.is_lock_holder("key", "ada")
    assert not theirs.acquire_lock("key", "bob", acquire_timeout=0.01)
    ours.release_lock("key", "ada")
    assert list(tmp_path.iterdir()) == []


def test_many_threads_count_one_by_one(locks: Locks, key: str) -> None:
    inside, most = 0, 0

    def count(holder: str) -> None:
        nonlocal inside, most
        for _ in range(20):
            locks.acquire_lock(key, holder)
            inside += 1
            most = max(most, inside)
            inside -= 1
            locks.release_lock(key, holder)

    threads = [threading.Thread(target=count, args=(str(each),)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1
