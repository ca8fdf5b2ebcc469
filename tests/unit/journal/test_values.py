"""A value comes back as what it was, by its type too."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from penstock.errors import UnstorableValue
from penstock.journal.values import decode, encode


class Level(IntEnum):
    HIGH = 1


@dataclass
class Point:
    x: int


class Account(BaseModel):
    password: SecretStr


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(plain)
def test_plain_values_are_json(value: Any) -> None:
    serializer, payload = encode(value)

    assert serializer == "json"
    assert decode(serializer, payload) == value


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: "one"},
        {"a", "b"},
        b"bytes",
        Level.HIGH,
        [Level.HIGH],
        {"when": datetime(2026, 11, 20, tzinfo=UTC)},
        Point(3),
        Account(password=SecretStr("hunter2")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_would_change_is_pickled(value: Any) -> None:
    serializer, payload = encode(value)
    found = decode(serializer, payload)

    assert serializer == "pickle"
    assert (found, type(found)) == (value, type(value))


def test_a_secret_is_not_lost() -> None:
    found: Any = decode(*encode(Account(password=SecretStr("hunter2"))))

    assert found.password.get_secret_value() == "hunter2"


def test_a_closure_can_be_stored() -> None:
    pytest.importorskip("cloudpickle")
    factor = 3

    found: Any = decode(*encode(lambda x: factor * x))

    assert found(2) == 6


def test_a_list_that_holds_itself_is_pickled() -> None:
    circle: list[Any] = []
    circle.append(circle)

    found: Any = decode(*encode(circle))

    assert found[0] is found


def test_what_has_no_stored_form_is_named() -> None:
    with pytest.raises(UnstorableValue, match=r"A builtins\.generator cannot be stored"):
        encode(number for number in range(3))
