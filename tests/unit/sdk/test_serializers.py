"""Values as bytes and back."""

from __future__ import annotations

import enum
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from penstock import pickling
from penstock.errors import UnreadableValue, UnstorableValue
from penstock.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    decode,
    encode,
    serializer_for,
)


@dataclass
class Point:
    x: int
    y: int


class Row(BaseModel):
    day: datetime
    price: Decimal


class Account(BaseModel):
    password: SecretStr


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


ROW = Row(day=datetime(2026, 11, 20, tzinfo=UTC), price=Decimal("1.50"))


@pytest.mark.parametrize(
    "value",
    [None, True, 7, 1.5, -0.0, "ü\ud800", [], [1, "a", None], {"a": [{"b": 1}]}, 2**70],
    ids=repr,
)
def test_exact_builtins_are_json(value: object) -> None:
    name, payload = encode(value)

    assert name == "json"
    assert repr(decode(name, payload)) == repr(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_whatever_is_plain_comes_back(value: object) -> None:
    assert decode(*encode(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: "a"},
        {"__class__": "os:system", "data": 1},
        b"x",
        {1, 2},
        Text("a"),
        Colour.RED,
        OrderedDict(a=1),
        [[(1,)]],
        Point(1, 2),
        ROW,
        math.inf,
        10**5000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_would_change_is_a_pickle(value: object) -> None:
    name, payload = encode(value)

    found = decode(name, payload)
    assert name == "pickle"
    assert (type(found), found) == (type(value), value)


def test_a_secret_is_not_lost() -> None:
    found: Any = decode(*encode(Account(password=SecretStr("hunter2"))))

    assert found.password.get_secret_value() == "hunter2"


def test_a_value_that_holds_itself_is_a_pickle() -> None:
    circle: list[object] = []
    circle.append(circle)

    name, payload = encode(circle)

    found: Any = decode(name, payload)
    assert found[0] is found


def test_what_cannot_be_serialised_is_named() -> None:
    with pytest.raises(UnstorableValue, match=r"A list cannot be pickled .*lock"):
        encode([threading.Lock()])


def test_closures_go_by_value() -> None:
    pytest.importorskip("cloudpickle")
    step = 3

    found: Any = decode(*encode(lambda x: x + step))

    assert found(1) == 4


@pytest.mark.parametrize("payload", [b"", b"\x80\x05cgone\nGone\n.", b"nonsense"], ids=repr)
def test_a_pickle_that_cannot_be_read_says_why(payload: bytes) -> None:
    with pytest.raises(UnreadableValue, match="cannot be unpickled"):
        decode("pickle", payload)


def test_a_class_that_is_gone_is_named() -> None:
    payload = pickling.dumps(Point(1, 2)).replace(b"Point", b"Paint")

    with pytest.raises(UnreadableValue, match="Paint"):
        pickling.loads(payload)


def test_the_class_of_a_program_is_found_where_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As by `python flow.py` first and `penstock run flow.py:daily` then, and the other way."""
    (tmp_path / "flowfile.py").write_text("class Found:\n    def __eq__(self, _): return True\n")
    monkeypatch.syspath_prepend(tmp_path)
    import flowfile  # type: ignore[import-not-found] # just written

    by_import = pickling.dumps(flowfile.Found())
    main = type(flowfile)("__main__")
    main.__dict__.update(__file__=str(tmp_path / "flowfile.py"), __spec__=None)
    exec((tmp_path / "flowfile.py").read_text(), main.__dict__)
    monkeypatch.setitem(__import__("sys").modules, "__main__", main)
    by_main = pickling.dumps(main.Found())

    assert b"__main__" not in by_main
    assert type(pickling.loads(by_import)) is main.Found
    assert type(pickling.loads(by_main)) is main.Found
    monkeypatch.undo()
    monkeypatch.syspath_prepend(tmp_path)
    assert type(pickling.loads(by_main)) is flowfile.Found


@pytest.mark.parametrize(
    "serializer",
    [
        PickleSerializer(),
        JSONSerializer(),
        CompressedPickleSerializer(),
        CompressedJSONSerializer(compressionlib="zlib"),
        CompressedSerializer("json", compressionlib="bz2"),
    ],
    ids=lambda serializer: serializer.type,
)
@pytest.mark.parametrize(
    "value",
    [{"a": [1, None]}, Point(1, 2), ROW, [ROW.day, {"p": ROW.price}], {3, 4}, Path("a/b")],
    ids=lambda value: type(value).__name__,
)
def test_a_serializer_gives_back_what_it_wrote(serializer: Any, value: object) -> None:
    blob = serializer.dumps(value)

    assert serializer.loads(blob) == value
    assert decode(serializer.type, blob) == value


def test_json_says_what_it_cannot_write() -> None:
    with pytest.raises(UnstorableValue, match="A list cannot be written as JSON"):
        JSONSerializer().dumps([threading.Lock()])


def test_json_takes_an_encoder_of_the_authors() -> None:
    serializer = JSONSerializer(
        object_encoder=lambda value: {"point": [value.x, value.y]},
        object_decoder=lambda found: Point(*found["point"]),
    )

    assert serializer.loads(serializer.dumps(Point(1, 2))) == Point(1, 2)
    with pytest.raises(UnreadableValue, match=r"own encoder.*give that one"):
        decode(serializer.type, b"{}")


@pytest.mark.parametrize("option", ["yaml", 3, PickleSerializer], ids=repr)
def test_an_unknown_serializer_is_refused(option: object) -> None:
    with pytest.raises(TypeError, match="'compressed/json', or an object"):
        serializer_for(option)


@pytest.mark.parametrize("library", ["nothing_here", "math"])
def test_an_unknown_compression_is_refused(library: str) -> None:
    with pytest.raises(ValueError, match="compress"):
        CompressedSerializer("json", compressionlib=library)


def test_compressed_bytes_that_are_broken_are_unreadable() -> None:
    with pytest.raises(UnreadableValue, match="decompressed"):
        CompressedPickleSerializer().loads(b"no")
