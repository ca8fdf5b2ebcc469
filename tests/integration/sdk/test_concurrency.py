"""``concurrency`` and ``rate_limit`` on one machine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.sdk.diary import run

import penstock
from penstock import flow, task
from penstock.concurrency import asyncio as for_async
from penstock.concurrency import sync
from penstock.concurrency.limits import Limit, delete_limit, read_limits, set_limit
from penstock.concurrency.slots import Queued, SlotStore, Taken
from penstock.errors import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    PenstockError,
)
from penstock.execution import RunContext

penstock_concurrency: Callable[..., Any] = penstock.concurrency  # type: ignore[assignment] # a package


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


def test_no_more_tasks_are_inside_than_there_are_slots() -> None:
    set_limit(Limit(name="db", slots=2))
    meter = Meter()

    @task
    def use(x: int) -> int:
        with sync.concurrency("db"), meter:
            time.sleep(0.005)
        return x

    @flow
    def many() -> list[int]:
        return use.map(range(8)).result()

    assert many() == list(range(8))
    assert meter.most <= 2


async def test_async_tasks_share_the_same_slots() -> None:
    set_limit(Limit(name="db", slots=2))
    meter = Meter()

    async def use() -> None:
        async with for_async.concurrency("db"):
            with meter:
                await asyncio.sleep(0.001)

    await asyncio.gather(*(use() for _ in range(6)))

    assert meter.most <= 2


async def test_the_package_itself_can_be_called() -> None:
    set_limit(Limit(name="db", slots=1))
    with penstock_concurrency("db"), pytest.raises(TimeoutError):
        sync.concurrency("db", timeout_seconds=0).__enter__()
    async with penstock_concurrency("db"):
        with pytest.raises(TimeoutError):
            await for_async.concurrency("db", timeout_seconds=0.001).__aenter__()
    with sync.concurrency("db", timeout_seconds=0):
        pass


def test_slots_are_given_back_by_a_body_that_fails() -> None:
    set_limit(Limit(name="db", slots=1))
    with pytest.raises(KeyError), sync.concurrency("db"):
        raise KeyError

    with sync.concurrency("db", timeout_seconds=0):
        pass


def test_several_slots_of_several_names_are_taken_together_or_not_at_all() -> None:
    set_limit(Limit(name="a", slots=3))
    set_limit(Limit(name="b", slots=2))

    with sync.concurrency(["a", "b"], occupy=2):
        with pytest.raises(AcquireConcurrencySlotTimeoutError, match="No slots of a, b were free"):
            sync.concurrency(["a", "b"], timeout_seconds=0).__enter__()
        with sync.concurrency("a", timeout_seconds=0):
            pass


def test_a_name_without_a_limit_does_not_wait_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(3):
        with sync.concurrency("nobody-limits-this"):
            pass

    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith("waits for it: penstock limit set nobody-limits-this NUMBER")


def test_strict_refuses_a_name_without_a_limit() -> None:
    with pytest.raises(ConcurrencySlotAcquisitionError, match="penstock limit set db NUMBER"):
        sync.concurrency("db", strict=True).__enter__()


def test_more_slots_than_there_are_is_refused_at_once() -> None:
    """In Prefect it waits for ever."""
    set_limit(Limit(name="db", slots=2))

    with pytest.raises(ConcurrencySlotAcquisitionError, match="can never be had"):
        sync.concurrency("db", occupy=3).__enter__()


def test_a_limit_of_nothing_lets_nobody_in() -> None:
    set_limit(Limit(name="db", slots=0))

    with pytest.raises(TimeoutError):
        sync.concurrency("db", timeout_seconds=0).__enter__()


def test_a_limit_that_is_raised_lets_in_who_waits() -> None:
    set_limit(Limit(name="db", slots=0))
    with pytest.raises(TimeoutError):
        sync.concurrency("db", timeout_seconds=0).__enter__()
    raising = threading.Timer(0.03, lambda: set_limit(Limit(name="db", slots=1)))
    raising.start()

    with sync.concurrency("db", timeout_seconds=10):
        raising.join()

    assert read_limits()["db"].slots == 1


def test_a_run_that_is_cancelled_stops_waiting() -> None:
    set_limit(Limit(name="db", slots=0))
    context = RunContext("waiting")

    @flow
    def waiting() -> None:
        threading.Timer(0.02, context.request_cancel).start()
        with sync.concurrency("db", timeout_seconds=10):
            pass

    assert run(waiting, context=context).state.is_cancelled()


def test_slots_that_a_rate_limit_took_come_back_by_decay() -> None:
    set_limit(Limit(name="api", slots=2, decay=50.0))
    begun = time.monotonic()
    for _ in range(4):
        sync.rate_limit("api")

    assert time.monotonic() - begun > 0.03


async def test_an_async_rate_limit_waits_too() -> None:
    set_limit(Limit(name="api", slots=1, decay=0.001))
    await for_async.rate_limit("api")

    with pytest.raises(TimeoutError):
        await for_async.rate_limit("api", timeout_seconds=0.001)


def test_a_rate_limit_without_decay_is_refused() -> None:
    set_limit(Limit(name="api", slots=2))

    with pytest.raises(ConcurrencySlotAcquisitionError, match="--decay SLOTS_PER_SECOND"):
        sync.rate_limit("api")


@pytest.mark.parametrize("options", [{"occupy": 0}, {"occupy": 1.5}, {"timeout_seconds": -1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least"):
        sync.rate_limit("api", **options)


def test_slots_of_a_process_that_is_gone_are_free(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    limit = Limit(name="db", slots=1)
    store = SlotStore(tmp_path / "slots.db")
    assert isinstance(store.take([limit], slots=1, held=True), Taken)
    assert store.take([limit], slots=1, held=True) == Queued(1, ahead=0, seconds=float("inf"))
    with closing(sqlite3.connect(tmp_path / "slots.db", isolation_level=None)) as base:
        base.execute("UPDATE holders SET started = 'before the reboot'")
        base.execute("UPDATE waiting SET started = 'before the reboot'")

    assert isinstance(store.take([limit], slots=1, held=True), Taken)
    assert store.taken({"db": limit}) == {"db": 1.0}
    assert store.waiting(["db"]) == {"db": 0}


def test_limits_are_kept_in_a_file_that_a_person_may_write(home: Path) -> None:
    set_limit(Limit(name="db", slots=2))
    (home / "limits.yaml").write_text("db: 5\napi:\n  limit: 2\n  decay: 0.5\n")

    assert read_limits() == {
        "db": Limit(name="db", slots=5),
        "api": Limit(name="api", slots=2, decay=0.5),
    }
    assert delete_limit("db") is True
    assert delete_limit("db") is False
    assert set(read_limits()) == {"api"}


@pytest.mark.parametrize("entry", ["many", "-1", "{limit: 1, dekay: 2}", "{decay: 1}", "true"])
def test_a_limit_that_is_written_wrong_is_named(home: Path, entry: str) -> None:
    (home / "limits.yaml").write_text(f"db: {entry}\n")

    with pytest.raises(PenstockError, match=r"Mend the limit db in .*limits\.yaml"):
        sync.concurrency("db").__enter__()
