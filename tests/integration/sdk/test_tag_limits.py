"""Limits of tags: no more tasks with a tag run at once than its limit has slots."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.sdk.diary import Diary, run

from penstock import flow, tags, task
from penstock.concurrency import sync
from penstock.concurrency.limits import Limit, limits_file, set_limit
from penstock.concurrency.slots import SlotStore
from penstock.errors import ConcurrencySlotAcquisitionError
from penstock.execution import RunContext


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))
    return tmp_path


class Meter:
    """Counts how many are inside at once."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.inside -= 1


def _state() -> tuple[float, int]:
    """Return how many slots of the tag ``db`` are taken, and how many wait."""
    store, name = SlotStore(limits_file().with_name("slots.db")), "tag:db"
    taken = store.taken({name: Limit(name=name, slots=1)})
    return taken[name], store.waiting([name])[name]


def _until_somebody_waits() -> None:
    deadline = time.monotonic() + 10
    while _state()[1] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_no_more_tasks_of_a_tag_run_at_once_than_it_has_slots() -> None:
    set_limit(Limit(name="tag:db", slots=2))
    meter, two_inside = Meter(), threading.Barrier(2)

    @task(tags=["db"])
    def use(x: int) -> int:
        with meter:
            two_inside.wait(timeout=60)
        return x

    @flow
    def many() -> list[int]:
        return use.map(range(12)).result()

    assert many() == list(range(12))
    assert meter.most == 2
    assert _state() == (0, 0)


def test_many_tasks_that_wait_need_no_thread_each() -> None:
    set_limit(Limit(name="tag:db", slots=1))
    threads: list[int] = []
    before = threading.active_count()

    @task(tags=["db"])
    def use(x: int) -> None:
        threads.append(threading.active_count())

    @flow
    def many() -> None:
        use.map(range(100)).wait()

    many()

    assert max(threads) - before < 60


async def test_async_tasks_share_the_same_slots() -> None:
    set_limit(Limit(name="tag:db", slots=2))
    meter = Meter()

    @task(tags=["db"])
    async def use(x: int) -> int:
        with meter:
            await asyncio.sleep(0.001)
        return x

    @flow
    async def many() -> list[int]:
        called = await asyncio.gather(*(use(x) for x in range(4)))
        submitted = [await future for future in use.map(range(4))]
        return [*called, *submitted]

    assert await many() == [*range(4), *range(4)]
    assert meter.most == 2


def test_tags_around_count_too_and_other_tasks_do_not_wait() -> None:
    set_limit(Limit(name="tag:db", slots=1))
    seen: list[tuple[float, int]] = []

    @task
    def look() -> None:
        seen.append(_state())

    @flow
    def looking() -> None:
        look()
        with tags("db", "other"):
            look()
        with sync.concurrency("tag:db", timeout_seconds=0):
            look()

    looking()

    assert seen == [(0, 0), (1, 0), (1, 0)]


def test_a_slot_is_given_back_by_a_failure_and_for_the_delay_of_a_retry() -> None:
    set_limit(Limit(name="tag:db", slots=1))
    between: list[tuple[float, int]] = []
    attempts: list[float] = []

    def note(*_: Any) -> bool:
        between.append(_state())
        return True

    @task(tags=["db"], retries=1, retry_condition_fn=note)
    def unsteady() -> None:
        attempts.append(_state()[0])
        raise ConnectionError

    with pytest.raises(ConnectionError):
        unsteady()

    assert (attempts, between) == ([1, 1], [(0, 0)])
    assert _state() == (0, 0)


def test_a_task_that_waits_for_a_slot_has_not_begun() -> None:
    set_limit(Limit(name="tag:db", slots=1))
    begun = threading.Event()

    @task(tags=["db"])
    def use() -> None:
        begun.set()

    diary = Diary()

    @flow
    def waiting() -> list[str]:
        with sync.concurrency("tag:db"):
            future = use.submit()
            _until_somebody_waits()
            states = diary.states_of("use-0")
            assert not begun.is_set()
        future.wait()
        return states

    assert run(waiting, reporter=diary).result == ["Pending"]
    assert diary.states_of("use-0") == ["Pending", "Running", "Completed"]


@pytest.mark.parametrize("how", ["called", "submitted"])
def test_a_run_that_is_cancelled_leaves_the_line(how: str) -> None:
    set_limit(Limit(name="tag:db", slots=1))
    context = RunContext("waiting")

    @task(tags=["db"])
    def use() -> None:
        raise AssertionError("it must not begin")

    def cancel_once_it_waits() -> None:
        _until_somebody_waits()
        context.request_cancel()

    @flow
    def waiting() -> None:
        use() if how == "called" else use.submit().result()

    with sync.concurrency("tag:db"):
        canceller = threading.Thread(target=cancel_once_it_waits)
        canceller.start()
        outcome = run(waiting, context=context)
        canceller.join()
        left = _state()

    assert outcome.state.is_cancelled()
    assert left == (1, 0)


def test_a_limit_of_nothing_fails_the_task_and_says_why() -> None:
    """As in Prefect: it could never run."""
    set_limit(Limit(name="tag:db", slots=0))

    @task(tags=["db"])
    def use() -> None:
        raise AssertionError("it must not begin")

    with pytest.raises(ConcurrencySlotAcquisitionError, match=r"tag:db is 0.* raise it by"):
        use()


def test_a_task_inside_one_that_holds_slots_is_not_kept_waiting_by_who_waits_for_those() -> None:
    set_limit(Limit(name="tag:db", slots=1))
    set_limit(Limit(name="tag:disk", slots=1))
    order: list[str] = []

    @task(tags=["disk"])
    def inner() -> None:
        order.append("inner")

    @task(tags=["db", "disk"])
    def both() -> None:
        order.append("both")

    @task(tags=["db"])
    def outer() -> None:
        waiting = threading.Thread(target=both)
        threads.append(waiting)
        waiting.start()
        _until_somebody_waits()
        inner()

    threads: list[threading.Thread] = []
    outer()
    threads[0].join()

    assert order == ["inner", "both"]


def test_a_stream_holds_its_slot_while_it_is_read() -> None:
    set_limit(Limit(name="tag:db", slots=1))

    @task(tags=["db"])
    def numbers() -> Any:
        yield _state()
        yield 2

    @flow
    def reading() -> list[Any]:
        return list(numbers())

    assert reading() == [(1, 0), 2]
    assert _state() == (0, 0)


def test_a_body_that_ran_out_of_time_keeps_its_slot_until_it_ends() -> None:
    set_limit(Limit(name="tag:db", slots=1))
    may_end = threading.Event()

    @task(tags=["db"], timeout_seconds=0.01)
    def slow() -> None:
        may_end.wait(60)

    with pytest.raises(TimeoutError):
        slow()

    held = _state()[0]
    may_end.set()
    with sync.concurrency("tag:db", timeout_seconds=10):
        assert held == 1
