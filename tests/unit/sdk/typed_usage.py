"""What type checkers infer of flows and tasks: checked by mypy and pyright, run by test_typing.py.

A line with `type: ignore` is one that they refuse: they also refuse an ignore without an error.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, assert_type
from uuid import UUID

from penstock import (
    ChildRun,
    File,
    Flow,
    as_completed,
    deploy,
    flow,
    get_state_value,
    heartbeat,
    now,
    patched,
    random,
    run_flow,
    set_state_value,
    task,
    unmapped,
    uuid4,
    wait,
    wait_for_signal,
    wait_for_update,
)
from penstock.deployments import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    run_deployment,
)
from penstock.filesystems import FileSystem
from penstock.flow_runs import ClusterRun
from penstock.futures import PenstockFuture, PenstockFutureList
from penstock.input import Update
from penstock.results import ResultStore
from penstock.sealing import Codec
from penstock.serving import Deployment
from penstock.states import State
from penstock.testing import answered
from penstock.transactions import AsyncTransaction, Transaction, transaction


@task
def count(text: str, factor: int = 1) -> int:
    return len(text) * factor


@task(retries=1, tags=["io"])
async def fetch(url: str) -> bytes:
    return url.encode()


@task
def letters(text: str) -> Generator[str, None, None]:
    yield from text


@task
async def letters_later(text: str) -> AsyncGenerator[str, None]:
    for letter in text:
        yield letter


class Ruler:
    def __init__(self, unit: int) -> None:
        self.unit = unit

    @task
    def measure(self, text: str) -> int:
        return len(text) * self.unit

    @task
    @staticmethod
    def zero() -> float:
        return 0.0

    @flow
    def measured(self, text: str) -> int:
        assert_type(self.measure(text), int)
        assert_type(self.measure.map([text]).result(), list[int])
        assert_type(Ruler.zero(), float)
        return self.measure.submit(text).result()


@flow
def limits() -> int:
    assert_type(wait_for_signal("go", int), int)
    with wait_for_update("limit", int) as update:
        assert_type(update, Update[int])
        update.answer({"limit": update.payload})
    return assert_type(update.payload, int)


@flow
def sizes(words: list[str]) -> list[int]:
    set_state_value("words", len(words))
    assert_type(get_state_value("words", 0), Any)
    assert_type(count("a", factor=2), int)
    assert_type(count("a", return_state=True), State[int])
    assert_type(count.submit("a"), PenstockFuture[int])
    assert_type(count.submit("a").result(), int)
    assert_type(count.submit("a").state, State[int])
    assert_type(count.submit("a", return_state=True), State[int])
    assert_type(count.submit("a", wait_for=[fetch.submit("a")]).result(), int)
    assert_type(count.map(words, factor=unmapped(2)), PenstockFutureList[int])
    assert_type(count.map(words, return_state=True), list[State[int]])
    assert_type(letters.map(words, return_state=True), list[State[list[str]]])
    assert_type(fetch.map(words, return_state=True)[0].result(), bytes)
    assert_type(count.map(words)[0], PenstockFuture[int])
    assert_type([f.result() for f in as_completed(count.map(words))], list[int])
    assert_type(wait(count.map(words)).done, set[PenstockFuture[int]])
    assert_type(fetch.submit("a"), PenstockFuture[bytes])
    assert_type(fetch.map(words).result(), list[bytes])
    assert_type(letters("a"), Generator[str, None, None])
    assert_type(letters.submit("a"), PenstockFuture[list[str]])
    assert_type(letters("a", return_state=True), State[list[str]])
    assert_type(letters_later.submit("a", return_state=True), State[list[str]])
    assert_type(letters_later.map(words).result(), list[list[str]])
    assert_type(count.with_options(retries=2)("a"), int)
    assert_type(count.fn("a"), int)
    assert_type(count.log_prints, bool | None)
    assert_type(total(count.map(words)), int)
    return count.map(words).result()


def total(futures: Sequence[PenstockFuture[object]]) -> int:
    """Take futures of anything: what is a future of a number is one of an object."""
    return len(futures)


@flow
def stream(words: list[str]) -> Generator[str, None, None]:
    for word in words:
        yield from letters(word)


@flow
async def stream_later(word: str) -> AsyncGenerator[str, None]:
    async for letter in letters_later(word):
        assert_type(letter, str)
        yield letter


@flow(retries=1)
async def fetches(url: str) -> bytes:
    assert_type(await fetch(url), bytes)
    assert_type(await fetch(url, return_state=True), State[bytes])
    assert_type(await fetch.submit(url), bytes)
    assert_type(await count.submit(url), int)
    assert_type([letter async for letter in stream_later(url)], list[str])
    return await fetch(url)


def in_a_cluster() -> None:
    """Never called: there is none."""
    assert_type(run_deployment("sizes", parameters={"words": []}, timeout=0), ClusterRun)
    assert_type(run_deployment("sizes").state.is_completed(), bool)
    assert_type(flow.from_source(".", "flows.py:sizes"), Flow[..., Any])
    assert_type(sizes.to_deployment("daily", interval=60, tags=["a"]), Deployment)
    deploy(sizes.to_deployment("daily"), image="sizes:1")
    assert_type(ConcurrencyLimitConfig(1).collision_strategy, ConcurrencyLimitStrategy)
    sizes.deploy(image="sizes:1", work_queue_name="urgent", concurrency_limit=1)
    sizes.deploy(image="sizes:1", concurrency_limit=ConcurrencyLimitConfig(1))


def refused() -> None:
    """Never called: each line is an error."""
    count(3)  # type: ignore[call-overload]
    count("a", factr=1)  # type: ignore[call-overload]
    task(retrys=3)  # type: ignore[call-overload]
    flow(persist=1)  # type: ignore[call-overload]
    sizes(["a"]).upper()  # type: ignore[attr-defined]
    sizes.submit(["a"])  # type: ignore[attr-defined]


def use() -> tuple[list[int], Coroutine[Any, Any, bytes]]:
    assert_type(sizes(["a"], return_state=True), State[list[int]])
    assert_type(list(stream(["a"])), list[str])
    assert_type(Ruler(2).measured("abc"), int)
    with answered("go", 1), answered("limit", 5) as sent:
        assert_type(limits(), int)
    assert_type(sent.state, str)
    return assert_type(sizes(["a", "bc"]), list[int]), fetches("x")


class Reversed:
    def encode(self, content: bytes) -> bytes:
        return content[::-1]

    def decode(self, stored: bytes) -> bytes:
        return stored[::-1]


def codecs() -> None:
    codec: Codec = Reversed()
    assert_type(codec.encode(b"a"), bytes)


def children() -> None:
    assert_type(run_flow(sizes, {"texts": ["a"]}), list[int])
    assert_type(run_flow("sizes", return_state=True), State[Any])
    assert_type(run_flow("sizes", wait=False), ChildRun)
    run_flow("sizes", on_parent_close="Keep")  # type: ignore[call-overload]


def transactions() -> None:
    with transaction() as txn:
        assert_type(txn, Transaction)
        assert_type(txn.commit(), bool)


async def async_transactions() -> None:
    async with transaction() as txn:
        assert_type(txn, AsyncTransaction)
        assert_type(await txn.commit(), bool)


def results(store: ResultStore, files: FileSystem) -> None:
    kept = task(persist_result=True, result_storage=files, result_serializer="json")(count.fn)
    assert_type(kept("a"), int)
    assert_type(store.exists("k"), bool)
    task(result_storage=3)  # type: ignore[call-overload]
    flow(result_storage_key="k")  # type: ignore[call-overload]


def recorded_values() -> None:
    assert_type(now(), datetime)
    assert_type(uuid4(), UUID)
    assert_type(random(), Random)
    assert_type(patched("change"), bool)


def modes() -> None:
    careful = task(at_most_once=True, total_timeout_seconds=60, heartbeat_timeout_seconds=5)
    assert_type(careful(count.fn)("a"), int)
    flow(durability="pipelined")
    flow(durability="fast")  # type: ignore[call-overload]
    heartbeat({"page": 1})


def files() -> None:
    file = File(__file__)
    assert_type(file.path, Path)
    assert_type(file.read_bytes(), bytes)
    assert_type(Path(file), Path)
