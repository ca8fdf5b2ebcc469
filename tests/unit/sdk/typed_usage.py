"""What type checkers infer of flows and tasks: checked by mypy, and run by test_typing.py."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any, assert_type

from penstock import flow, task, unmapped
from penstock.futures import PenstockFuture, PenstockFutureList
from penstock.states import State


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


@flow
def sizes(words: list[str]) -> list[int]:
    assert_type(count("a", factor=2), int)
    assert_type(count("a", return_state=True), State[int])
    assert_type(count.submit("a"), PenstockFuture[int])
    assert_type(count.submit("a").result(), int)
    assert_type(count.submit("a", return_state=True), State[int])
    assert_type(count.map(words, factor=unmapped(2)), PenstockFutureList[int])
    assert_type(fetch.submit("a"), PenstockFuture[bytes])
    assert_type(fetch.map(words).result(), list[bytes])
    assert_type(letters("a"), Generator[str, None, None])
    assert_type(letters.submit("a"), PenstockFuture[list[str]])
    assert_type(letters("a", return_state=True), State[list[str]])
    assert_type(letters_later.submit("a", return_state=True), State[list[str]])
    assert_type(letters_later.map(words).result(), list[list[str]])
    assert_type(count.with_options(retries=2)("a"), int)
    return count.map(words).result()


@flow(retries=1)
async def fetches(url: str) -> bytes:
    assert_type(await fetch(url), bytes)
    assert_type(await fetch(url, return_state=True), State[bytes])
    assert_type(await fetch.submit(url), bytes)
    assert_type(await count.submit(url), int)
    return await fetch(url)


def use() -> tuple[list[int], Coroutine[Any, Any, bytes]]:
    assert_type(sizes(["a"], return_state=True), State[list[int]])
    return assert_type(sizes(["a", "bc"]), list[int]), assert_type(
        fetches("x"), Coroutine[Any, Any, bytes]
    )
