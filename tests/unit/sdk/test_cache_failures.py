"""A store of results that fails, or takes its time."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from penstock import task
from penstock.cache_policies import INPUTS
from penstock.engine.results import Entry
from penstock.errors import UnreadableValue
from penstock.tasks import Task


class Store:
    """A store that raises what it is told to, and notes which thread called it."""

    waits = True

    def __init__(
        self, *, at_find: Exception | None = None, at_keep: Exception | None = None
    ) -> None:
        self.at_find, self.at_keep = at_find, at_keep
        self.kept: dict[str, Entry] = {}
        self.threads: list[str] = []

    def find(self, key: str) -> Entry | None:
        self.threads.append(threading.current_thread().name)
        if self.at_find:
            raise self.at_find
        return self.kept.get(key)

    def keep(self, key: str, *, entry: Entry) -> None:
        self.threads.append(threading.current_thread().name)
        if self.at_keep:
            raise self.at_keep
        self.kept[key] = entry


def kept_in(store: Store, cached: Task[..., int]) -> Task[..., int]:
    rule = cached.definition.cache
    assert rule is not None
    cached.definition = replace(cached.definition, cache=replace(rule, results=store))
    return cached


@task(cache_policy=INPUTS)
def double(x: int) -> int:
    return 2 * x


@task(cache_policy=INPUTS)
async def double_async(x: int) -> int:
    return 2 * x


def test_a_store_that_cannot_be_asked_fails_no_task(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(at_find=OSError("no route"))

    assert kept_in(store, double.with_options())(2) == 4
    assert not store.kept
    assert "double runs uncached: its result cannot be looked up: OSError: no route" in caplog.text


def test_a_result_that_cannot_be_kept_is_given_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = kept_in(Store(at_keep=OSError("disk full")), double.with_options())(
        2, return_state=True
    )

    assert (state.name, state.result()) == ("Completed", 4)
    assert "The result of double is not kept" in caplog.text
    assert "OSError: disk full" in caplog.text
    assert caplog.records[-1].levelname == "WARNING"


def test_a_result_that_cannot_be_read_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(at_find=UnreadableValue("its checksum is wrong"))
    cached = kept_in(store, double.with_options())

    assert cached(2) == 4
    store.at_find = None
    assert cached(2, return_state=True).name == "Cached"
    assert "replaced: its checksum is wrong" in caplog.text


async def test_a_store_that_waits_does_not_hold_the_event_loop() -> None:
    store = Store()
    cached = kept_in(store, double_async.with_options())  # type: ignore[arg-type] # awaited

    assert [await cached(2), await cached(2)] == [4, 4]  # type: ignore[misc] # the same
    assert threading.current_thread().name not in store.threads
    assert len(store.threads) == 3


def test_a_store_that_waits_is_called_in_place_elsewhere() -> None:
    store = Store()
    kept_in(store, double.with_options())(2)

    assert store.threads == [threading.current_thread().name] * 2


def test_a_stream_that_is_left_early_is_not_kept() -> None:
    store = Store()

    @task(cache_policy=INPUTS)
    def count(n: int):  # type: ignore[no-untyped-def] # items
        yield from range(n)

    counted = kept_in(store, count)
    next(iter(counted(3)))  # type: ignore[call-overload] # a generator

    assert not store.kept
    assert list(counted(3)) == [0, 1, 2]  # type: ignore[call-overload] # the same
    assert len(store.kept) == 1
