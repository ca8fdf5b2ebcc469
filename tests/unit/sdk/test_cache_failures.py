"""A store of results that fails, or takes its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from penstock import task
from penstock.cache_policies import INPUTS
from penstock.tasks import Task


class Files:
    """A file system that raises what it is told to, and notes which thread called it."""

    def __init__(
        self, *, at_read: Exception | None = None, at_write: Exception | None = None
    ) -> None:
        self.at_read, self.at_write = at_read, at_write
        self.files: dict[str, bytes] = {}
        self.threads: list[str] = []

    def read_path(self, path: str) -> bytes:
        self.threads.append(threading.current_thread().name)
        if self.at_read:
            raise self.at_read
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def write_path(self, path: str, content: bytes) -> None:
        self.threads.append(threading.current_thread().name)
        if self.at_write:
            raise self.at_write
        self.files[path] = content


def doubling(files: Files) -> Task[[int], int]:
    @task(cache_policy=INPUTS, result_storage=files)
    def double(x: int) -> int:
        return 2 * x

    return double


def test_a_store_that_cannot_be_asked_fails_no_task(caplog: pytest.LogCaptureFixture) -> None:
    files = Files(at_read=OSError("no route"))

    assert doubling(files)(2) == 4
    assert not files.files
    assert "double runs uncached: its result cannot be looked up: OSError: no route" in caplog.text


def test_a_result_that_cannot_be_kept_is_given_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = doubling(Files(at_write=OSError("disk full")))(2, return_state=True)

    assert (state.name, state.result()) == ("Completed", 4)
    assert "The result of double is not kept" in caplog.text
    assert "OSError: disk full" in caplog.text
    assert caplog.records[-1].levelname == "WARNING"


def test_a_result_that_has_no_stored_form_is_given_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @task(cache_policy=INPUTS, result_storage=Files())
    def connect(x: int) -> object:
        return threading.Lock()

    assert connect(1) is not connect(1)
    assert "The result of connect is not kept" in caplog.text
    assert "A lock cannot be pickled" in caplog.text


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda content: content[:-1], "its checksum is wrong"),
        (lambda content: b"", "none of Penstock's results"),
        (lambda content: content.replace(b'"sha256"', b'"sha"'), "the head of its file is broken"),
        (lambda content: content.replace(b'"json"', b'"yaml"'), "by the serializer 'yaml'"),
    ],
    ids=["cut", "empty", "no-checksum", "unknown-serializer"],
)
def test_a_result_that_cannot_be_read_is_replaced(
    broken: object, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = Files()
    double = doubling(files)
    double(2)
    files.files = {path: broken(content) for path, content in files.files.items()}  # type: ignore[operator] # a function

    assert double(2, return_state=True).name == "Completed"
    assert double(2, return_state=True).name == "Cached"
    assert "double runs again, and its kept result is replaced: " in caplog.text
    assert told in caplog.text


async def test_a_store_that_waits_does_not_hold_the_event_loop() -> None:
    files = Files()

    @task(cache_policy=INPUTS, result_storage=files)
    async def double(x: int) -> int:
        return 2 * x

    assert [await double(2), await double(2)] == [4, 4]
    assert threading.current_thread().name not in files.threads
    assert len(files.threads) == 3


def test_a_store_that_waits_is_called_in_place_elsewhere() -> None:
    files = Files()
    doubling(files)(2)

    assert files.threads == [threading.current_thread().name] * 2


def test_a_stream_that_is_left_early_is_not_kept() -> None:
    files = Files()

    @task(cache_policy=INPUTS, result_storage=files)
    def counted(n: int) -> Iterator[int]:
        yield from range(n)

    next(iter(counted(3)))

    assert not files.files
    assert list(counted(3)) == list(counted(3)) == [0, 1, 2]
    assert len(files.files) == 1
