"""Results in stores that others can read or write: codecs, signatures, and no pickles."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from penstock import flow, task
from penstock.errors import StoreUnusable, UnreadableValue, UnstorableValue
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder
from penstock.results import ResultStore
from penstock.sealing import present_seal
from penstock.serializers import decode, encode

CODEC = """
import zlib

class Zlib:
    encode = staticmethod(zlib.compress)
    decode = staticmethod(zlib.decompress)

codec = Zlib()
nothing = object()
"""


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(result_storage=tmp_path / "results")


@pytest.fixture
def codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A codec in a module of an author's."""
    (tmp_path / "codec_of_mine.py").write_text(CODEC)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PENSTOCK_CODEC", "codec_of_mine:codec")
    return "codec_of_mine:codec"


def content_of(tmp_path: Path) -> bytes:
    (file,) = (each for each in (tmp_path / "results").rglob("*") if each.is_file())
    return file.read_bytes()


def test_results_go_through_the_codec(store: ResultStore, codec: str, tmp_path: Path) -> None:
    store.write(["the eagle lands"] * 10, key="k")

    assert store.read("k") == ["the eagle lands"] * 10
    assert b"eagle" not in content_of(tmp_path)
    assert f"json through {codec}".encode() in content_of(tmp_path)


def test_a_result_says_which_codec_it_needs(
    store: ResultStore, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(1, key="k")
    monkeypatch.delenv("PENSTOCK_CODEC")

    with pytest.raises(UnreadableValue, match=f"through the codec {codec}, and none is set here"):
        store.read("k")


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere:codec", "cannot be imported"), ("codec_of_mine:nothing", "has no encode and")],
)
def test_a_codec_that_is_none_is_an_error(
    codec: str, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setenv("PENSTOCK_CODEC", name)

    with pytest.raises(StoreUnusable, match=f"PENSTOCK_CODEC names {name}, which {words}"):
        present_seal()


def test_a_result_that_somebody_else_wrote_is_not_read(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(1, key="forged")
    monkeypatch.setenv("PENSTOCK_SIGNING_KEY", "nobody guesses this")
    store.write(2, key="own")

    assert store.read("own") == 2
    with pytest.raises(UnreadableValue, match="does not bear the signature"):
        store.read("forged")


def test_a_signed_result_cannot_take_the_place_of_another(
    store: ResultStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_SIGNING_KEY", "nobody guesses this")
    store.write(1, key="one")
    store.write(2, key="two")
    (tmp_path / "results/one.result").replace(tmp_path / "results/two.result")

    with pytest.raises(UnreadableValue, match="does not bear the signature"):
        store.read("two")


def test_a_forged_cache_is_named_and_its_task_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    @task(cache_key_fn=lambda *_: "k", result_storage=tmp_path / "results")
    def count() -> int:
        ran.append("count")
        return 1

    assert count() == 1
    monkeypatch.setenv("PENSTOCK_SIGNING_KEY", "nobody guesses this")
    assert [count(), count()] == [1, 1]

    assert ran == ["count", "count"]
    assert "count" in caplog.text
    assert "does not bear the signature" in caplog.text


# Without pickles


@dataclass
class Point:
    x: int
    y: int


class Login(BaseModel):
    user: str
    password: SecretStr


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_ALLOW_PICKLE", "false")


@pytest.mark.usefixtures("no_pickle")
@pytest.mark.parametrize(
    "value", [[1, "a"], {"a": None}, date(2026, 11, 21), Point(1, 2), {1, 2}], ids=repr
)
def test_what_json_gives_back_needs_no_pickle(value: object) -> None:
    name, payload = encode(value)

    assert decode(name, payload) == value
    assert name in ("json", "json with classes")


@pytest.mark.usefixtures("no_pickle")
@pytest.mark.parametrize(
    "value",
    [(1, 2), Login(user="ada", password=SecretStr("x")), [object()]],
    ids=["tuple", "secret", "object"],
)
def test_what_json_would_change_is_not_stored(value: object) -> None:
    with pytest.raises(UnstorableValue, match="can be stored as a pickle only, and pickles are"):
        encode(value)


class OrderLost(Exception):
    def __init__(self, message: str, *, number: int = 0) -> None:
        super().__init__(message)
        self.number = number


@pytest.mark.usefixtures("no_pickle")
def test_an_exception_needs_no_pickle() -> None:
    error = OrderLost("it is gone", number=7)
    error.add_note("look behind the shelf")

    found = decode(*encode(error))

    assert isinstance(found, OrderLost)
    assert (str(found), found.number, found.__notes__) == (
        "it is gone",
        7,
        ["look behind the shelf"],
    )


@pytest.mark.usefixtures("no_pickle")
@pytest.mark.parametrize(
    "error",
    [ValueError(object()), FileNotFoundError(2, "gone", "file")],
    ids=["an argument without a stored form", "more than its arguments"],
)
def test_an_exception_that_would_not_be_the_same_is_not_stored(error: Exception) -> None:
    with pytest.raises(UnstorableValue, match="can be stored as a pickle only"):
        encode(error)


def test_what_is_read_as_an_exception_is_one() -> None:
    forged = b'{"__class__":"os:system","args":["touch /tmp/forged"],"attributes":{}}'

    with pytest.raises(UnreadableValue, match="system is no exception"):
        decode("error", forged)


def test_a_pickle_is_not_read_where_it_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = pickle.dumps((os.getpid, ()))
    monkeypatch.setenv("PENSTOCK_ALLOW_PICKLE", "false")

    with pytest.raises(UnreadableValue, match=r"pickles are forbidden here \(allowPickle: false"):
        decode("pickle", blob)
    with pytest.raises(UnreadableValue, match="pickles are forbidden here"):
        decode("compressed/pickle", __import__("lzma").compress(blob))


@pytest.mark.usefixtures("no_pickle")
def test_a_result_without_a_form_is_named_with_its_task(caplog: pytest.LogCaptureFixture) -> None:
    from penstock.execution import RunContext, execute
    from penstock.journal.chain import MemoryChain

    @task
    def load() -> tuple[int, ...]:
        return (1, 2)

    @flow
    def daily() -> int:
        return len(load())

    context = RunContext("daily-1")
    context.journal = open_journal(MemoryChain(), holder=Holder(attempt=1, process="p"))

    outcome = execute(daily, parameters={}, context=context)

    assert outcome.result == 2
    assert "A tuple can be stored as a pickle only" in caplog.text
    assert "load-0 will run again if the run is resumed" in caplog.text
