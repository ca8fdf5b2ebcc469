"""The engine's pure parts: identity, digests, inputs, tracebacks of states."""

from __future__ import annotations

import pickle
import re
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from penstock import states
from penstock.annotations import unmapped
from penstock.engine.digest import digest_of, undigestible
from penstock.engine.identity import Branch, CallKey
from penstock.engine.inputs import holds_links, links_in, values_of
from penstock.errors import CancelledRun, CrashedRun, FailedRun
from penstock.states import State

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
def test_equal_values_have_equal_digests(value: object) -> None:
    twin = pickle.loads(pickle.dumps(value))

    assert digest_of(twin) == digest_of(value)


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_a_dict_does_not_count(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))

    assert digest_of(backwards) == digest_of(value)


@given(plain, plain)
def test_values_of_different_form_have_different_digests(one: object, other: object) -> None:
    same = (type(one), repr(one)) == (type(other), repr(other)) or one == other

    assert same or digest_of(one) != digest_of(other)


class Model(BaseModel):
    size: int


@dataclass
class Point:
    x: int


class Pair(NamedTuple):
    one: object
    other: object


class Colour(Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ("1", 1),
        ([1], (1,)),
        ([1, [2]], [[1], 2]),
        ({1, 2}, {1, 3}),
        (b"a", "a"),
        (Model(size=1), Model(size=2)),
        (Point(1), Point(2)),
        (Colour.RED, Colour.BLUE),
        (date(2026, 1, 1), date(2026, 1, 2)),
        (Path("a"), Path("b")),
        (int, str),
        (Pair(1, 2), Pair(1, 3)),
        (Pair(1, 2), (1, 2)),
        (Counter("aab"), Counter("abb")),
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
        (defaultdict(list, a=[1]), defaultdict(list, a=[2])),
        (deque([1, 2]), deque([2, 1])),
        (slice(1, 2), slice(1, 3)),
        (re.compile("a"), re.compile("a", re.IGNORECASE)),
        (ip_address("10.0.0.1"), ip_address("10.0.0.2")),
    ],
    ids=repr,
)
def test_digests_tell_apart(one: object, other: object) -> None:
    assert digest_of(one) != digest_of(other)
    assert undigestible([one, other]) is None


def test_an_object_may_say_what_it_is_known_by() -> None:
    class Known:
        def __init__(self, name: str) -> None:
            self.__penstock_key__ = lambda: name

        __penstock_key__ = None

    one, same, other = (digest_of(Known(name)) for name in "aab")

    assert one == same != other
    assert undigestible([Known("a")]) is None


@pytest.mark.parametrize(
    "holder",
    [Pair(1, object()), Point(object()), defaultdict(list, a=[object()]), deque([object()])],  # type: ignore[arg-type] # on purpose
    ids=lambda holder: type(holder).__name__,
)
def test_what_cannot_be_digested_is_found_inside(holder: object) -> None:
    assert undigestible({"a": [holder]}) is object


def test_what_cannot_be_digested_counts_by_its_type() -> None:
    assert digest_of(object()) == digest_of(object())
    assert digest_of([1, object()]) != digest_of([2, object()])


def test_equal_calls_of_a_scope_are_counted() -> None:
    calls = Branch("scope")

    keys = [calls.draw(identity="a", digest=digest) for digest in ("x", "x", "y")]

    assert [key.occurrence for key in keys] == [0, 1, 0]
    assert keys[1].path == "scope/a:x:1"
    assert replace(keys[0], occurrence=1) == keys[1] == CallKey("scope", "a", "x", 1)


@given(plain)
def test_a_value_without_futures_stays_the_same_object(value: object) -> None:
    assert values_of(value) is value
    assert links_in(value) == []
    assert not holds_links(value)


def test_a_container_that_holds_itself_is_no_trap() -> None:
    endless: list[object] = []
    endless.append(endless)

    assert values_of(endless) is endless
    assert not holds_links(endless)


def test_states_deep_inside_are_replaced_by_their_results() -> None:
    done: State[int] = states.Completed(data=1)

    assert values_of({"a": [Point(x=done)], "b": unmapped(done)}) == {"a": [Point(1)], "b": 1}  # type: ignore[arg-type] # a state for a value


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (states.Failed(data=KeyError("x")), KeyError),
        (states.Failed(message="no"), FailedRun),
        (states.Crashed(data=SystemExit(1)), CrashedRun),
        (states.Crashed(message="gone"), CrashedRun),
        (states.Cancelled(message="stop"), CancelledRun),
        (states.Running(), FailedRun),
    ],
    ids=repr,
)
def test_a_state_without_a_result_raises(state: State[object], error: type[BaseException]) -> None:
    with pytest.raises(error):
        state.result()
    if state.is_final():
        assert isinstance(state.result(raise_on_failure=False), error)


def test_states_have_prefects_names_and_types() -> None:
    made = [
        states.Completed(),
        states.Failed(),
        states.TimedOut(),
        states.Crashed(),
        states.Cancelled(),
        states.Pending(),
        states.Running(),
        states.Retrying(),
        states.AwaitingRetry(),
    ]

    assert [(state.name, state.type.value) for state in made] == [
        ("Completed", "COMPLETED"),
        ("Failed", "FAILED"),
        ("TimedOut", "FAILED"),
        ("Crashed", "CRASHED"),
        ("Cancelled", "CANCELLED"),
        ("Pending", "PENDING"),
        ("Running", "RUNNING"),
        ("Retrying", "RUNNING"),
        ("AwaitingRetry", "SCHEDULED"),
    ]
