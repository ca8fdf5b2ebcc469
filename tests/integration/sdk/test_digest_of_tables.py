"""Arrays and tables among a call's arguments: equal ones have one digest, others have others."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from threading import Lock
from typing import Any

import pytest

from penstock.annotations import opaque, quote
from penstock.engine.digest import digest_of, undigestible

np: Any = pytest.importorskip("numpy")
pd: Any = pytest.importorskip("pandas")

TIMES = ["2026-11-20", "2026-11-21", "NaT"]

EQUAL: list[tuple[str, Callable[[], list[Any]]]] = [
    ("order", lambda: [np.ones((2, 3)), np.asfortranarray(np.ones((2, 3)))]),
    ("slice", lambda: [np.arange(10)[::2], np.array([0, 2, 4, 6, 8])]),
    ("masked", lambda: [np.ma.array([1, n], mask=[0, 1]) for n in (2, 3)]),
    ("scalar", lambda: [np.float64(0.5), np.array([0.5, 1])[0]]),
    (
        "frame",
        lambda: [frame(), pd.concat([frame()[["a"]], frame()[["t", "c", "w", "m"]]], axis=1)],
    ),
    ("rows", lambda: [frame().iloc[1:], frame().drop(index=[0])]),
    ("levels", lambda: [levels().iloc[1:], levels().iloc[1:].copy().sort_index()]),
    ("texts", lambda: [pd.Series(["a", None], dtype=object) for _ in range(2)]),
    ("nullable", lambda: [pd.array([1, None], dtype="Int64") for _ in range(2)]),
]

DIFFERENT: list[Callable[[], Any]] = [
    lambda: np.array([]),
    lambda: np.array([], dtype="i4"),
    lambda: np.zeros((2, 3)),
    lambda: np.zeros((3, 2)),
    lambda: np.zeros(6),
    lambda: np.zeros(6, dtype="f4"),
    lambda: np.array(0.0),
    lambda: np.float64(0.0),
    lambda: np.array(["a", "bc"], dtype=object),
    lambda: np.array(["ab", "c"], dtype=object),
    lambda: np.array(["ab", "c"]),
    lambda: np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    lambda: np.array([(1, 2.0)], dtype=[("a", "i4"), ("c", "f8")]),
    lambda: np.array(TIMES, dtype="M8[s]"),
    lambda: np.array(TIMES, dtype="M8[ms]"),
    lambda: np.ma.array([1, 2], mask=[0, 1]),
    lambda: np.ma.array([1, 2], mask=[1, 0]),
    lambda: np.dtype("i4"),
    lambda: pd.Series([1, 2]),
    lambda: pd.Series([1, 2], name="n"),
    lambda: pd.Series([1, 2], index=["x", "y"]),
    lambda: pd.Series([1, 2.0]),
    lambda: pd.Series([1, None], dtype="Int64"),
    lambda: pd.Series([1, 0], dtype="Int64"),
    lambda: pd.Series([True, None], dtype="boolean"),
    lambda: pd.Series(["a", None]),
    lambda: pd.Series(["a", None], dtype=object),
    lambda: pd.Series(["a", ""], dtype=object),
    lambda: pd.Series(pd.to_datetime(TIMES)),
    lambda: pd.Series(pd.to_datetime(TIMES, utc=True)),
    lambda: pd.Series(pd.to_datetime(TIMES)).dt.to_period("D"),
    lambda: pd.Series(["a", "b"], dtype="category"),
    lambda: pd.Series(["a", "b"], dtype=pd.CategoricalDtype(["b", "a"])),
    lambda: pd.Series(pd.interval_range(0, 2)),
    lambda: pd.Series(pd.interval_range(0, 2, closed="left")),
    lambda: pd.Series([[1], {"a": 2}]),
    lambda: pd.Series([[1], {"a": 3}]),
    lambda: pd.Series(pd.arrays.SparseArray([0, 1])),
    lambda: pd.DataFrame({"a": [1, 2]}),
    lambda: pd.DataFrame({"b": [1, 2]}),
    lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
    lambda: pd.DataFrame([[2, 1]], columns=["a", "a"]),
    lambda: pd.DataFrame({"a": []}),
    lambda: pd.DataFrame(),
    lambda: levels(),
    lambda: pd.Index([1, 2]),
    lambda: pd.RangeIndex(1, 3),
    lambda: pd.Timestamp("2026-11-20"),
    lambda: pd.Timestamp("2026-11-20", tz="UTC"),
    lambda: pd.Timedelta("1s"),
    lambda: pd.NaT,
    lambda: pd.NA,
]


def frame() -> Any:
    return pd.DataFrame(
        {
            "a": [1, 2, 3],
            "t": pd.to_datetime(TIMES),
            "c": pd.Categorical(["x", "y", "x"]),
            "w": ["one", "two", None],
            "m": pd.array([1, None, 3], dtype="Int64"),
        }
    )


def levels() -> Any:
    index = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["l", "n"])
    return pd.Series(range(4), index=index)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in EQUAL])
def test_equal_values_have_one_digest(make: Callable[[], list[Any]]) -> None:
    values = make()

    assert len({digest_of(value) for value in values}) == 1
    assert [undigestible(value) for value in values] == [None] * len(values)


def test_different_values_have_different_digests() -> None:
    values = [make() for make in DIFFERENT]

    digests = zip(values, map(digest_of, values), strict=True)
    clashes = [(one, two) for (one, a), (two, b) in combinations(digests, 2) if a == b]
    assert clashes == []
    assert [value for value in values if undigestible(value)] == []


def test_a_change_in_place_changes_the_digest() -> None:
    table = frame()
    before = digest_of(table)
    table.loc[1, "a"] = 7

    assert digest_of(table) != before


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.Series([1, Lock()]),
        lambda: pd.DataFrame({"a": [Lock()]}),
        lambda: np.array([Lock()], dtype=object),
        lambda: [{"k": quote(np.array([Lock()], dtype=object))}],
    ],
    ids=["series", "frame", "array", "nested"],
)
def test_what_cannot_be_compared_is_still_named(make: Callable[[], Any]) -> None:
    assert undigestible(make()) is type(Lock())


def test_an_opaque_table_counts_by_its_type() -> None:
    assert digest_of(opaque(np.zeros(1))) == digest_of(opaque(np.ones(2)))
    assert digest_of(opaque(np.zeros(1))) != digest_of(opaque(frame()))
    assert undigestible(opaque(Lock())) is None


def test_what_has_no_known_form_counts_by_its_type() -> None:
    assert undigestible(np.random.default_rng(1)) is np.random.Generator


def test_arrow_tables_are_compared_by_their_content() -> None:
    pa: Any = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2, 3], "t": ["x", None, "z"], "l": [[1], [2, 3], None]})
    cut = pa.concat_tables([table.slice(0, 1), table.slice(1)])

    assert digest_of(cut) == digest_of(table)
    assert digest_of(table.slice(1)) == digest_of(table.take([1, 2])) != digest_of(table)
    assert digest_of(table.rename_columns(["b", "t", "l"])) != digest_of(table)
    assert undigestible(table) is None
