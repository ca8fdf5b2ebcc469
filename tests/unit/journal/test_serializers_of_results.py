"""What an author says of serializers holds for the journal too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel
from tests.unit.journal.runs import Runs

from penstock import flow, task, transaction
from penstock.journal.records import decode_record
from penstock.journal.roots import root_state
from penstock.serializers import CompressedSerializer, JSONSerializer, PickleSerializer
from penstock.testing import isolated_home
from penstock.transactions import get_transaction


class Order(BaseModel):
    number: int
    lines: list[str] = []


ORDER = Order(number=7, lines=["a", "b"])


@dataclass
class Caesar:
    """An author's own serializer, of texts."""

    by: int
    type: str = "caesar"

    def dumps(self, obj: Any) -> bytes:
        return bytes((byte + self.by) % 256 for byte in str.encode(obj))

    def loads(self, blob: bytes) -> Any:
        return bytes((byte - self.by) % 256 for byte in blob).decode()


@pytest.fixture(autouse=True)
def _home() -> Iterator[None]:
    with isolated_home():
        yield


class Fails:
    """Raises when it is called first."""

    def __init__(self) -> None:
        self._called = False

    def __call__(self) -> None:
        if not self._called:
            self._called = True
            raise ValueError("not yet")


def fields_of(runs: Runs, *, kind: str = "done", name: str = "") -> dict[str, Any]:
    """Return what the last entry of a kind holds."""
    lines = [
        line.split(" ", 2)
        for number, raw in enumerate(runs.chain.read())
        for line in decode_record(raw, number=number).lines
    ]
    found = [json.loads(text) for each, _, text in lines if each == kind]
    fields: dict[str, Any] = [each for each in found if each["name"].startswith(name)][-1]
    return fields


@pytest.mark.parametrize(
    ("option", "stored_as"),
    [
        (None, "pickle"),
        ("json", "json with classes"),
        ("pickle", "pickle"),
        ("compressed/json", "compressed/json"),
        (CompressedSerializer("json", compressionlib="bz2"), "compressed/json by bz2"),
    ],
    ids=["unset", "json", "pickle", "compressed", "an object of ours"],
)
def test_a_task_says_how_its_result_is_stored(option: object, stored_as: str) -> None:
    calls: list[str] = []

    @task(name="load", result_serializer=option)
    def load() -> Order:
        calls.append("load")
        return ORDER

    fails = Fails()

    @flow
    def daily() -> Order:
        found = load()
        fails()
        return found

    runs = Runs(daily)
    runs.attempt()
    again = runs.attempt(anew=True)

    assert (again.result, calls) == (ORDER, ["load"])
    assert stored_as in fields_of(runs, name="load")


def test_a_plain_value_is_json_that_a_person_can_read() -> None:
    @task(name="load", result_serializer=JSONSerializer(dumps_kwargs={"indent": 2}))
    def load() -> dict[str, list[int]]:
        return {"ü": [1, 2]}

    @flow
    def daily() -> object:
        return load()

    runs = Runs(daily)
    runs.attempt()

    assert fields_of(runs, name="load")["json"] == {"ü": [1, 2]}


def test_the_first_run_too_gets_what_the_serializer_gives_back() -> None:
    @task(result_serializer="json")
    def load() -> object:
        return (1, 2)

    @flow
    def daily() -> object:
        return load()

    assert Runs(daily).attempt().result == [1, 2]


def test_a_flow_says_it_for_its_tasks_and_for_itself() -> None:
    @task(name="load")
    def load() -> Order:
        return ORDER

    @task(name="other", result_serializer="pickle")
    def other() -> Order:
        return ORDER

    @flow(name="daily", result_serializer="json")
    def daily() -> Order:
        other()
        return load()

    runs = Runs(daily)
    runs.attempt()

    assert "json with classes" in fields_of(runs, name="load")
    assert "json with classes" in fields_of(runs, name="daily")
    assert "pickle" in fields_of(runs, name="other")


def test_an_authors_own_serializer_reads_what_it_wrote() -> None:
    fails = Fails()

    @task(name="greet", result_serializer=Caesar(3))
    def greet() -> str:
        return "abc"

    @flow
    def daily() -> str:
        found = greet()
        fails()
        return found

    runs = Runs(daily)
    runs.attempt()
    again = runs.attempt(anew=True)

    assert again.result == "abc"
    assert "by caesar" in fields_of(runs, name="greet")


def test_a_result_whose_serializer_is_gone_says_which_one_is_missing() -> None:
    fails, serializers = Fails(), iter([Caesar(3), PickleSerializer()])

    @flow
    def daily() -> str:
        @task(name="greet", result_serializer=next(serializers))
        def greet() -> str:
            return "abc"

        found = greet()
        fails()
        return found

    runs = Runs(daily)
    runs.attempt()
    again = runs.attempt(anew=True)

    assert not again.state.is_completed()
    assert "the serializer 'caesar'; give that one as result_serializer" in again.message


def test_a_serializer_of_an_author_is_not_taken_for_ours_by_its_name() -> None:
    fails = Fails()

    @task(name="greet", result_serializer=Caesar(3, type="json"))
    def greet() -> str:
        return "abc"

    @flow
    def daily() -> str:
        found = greet()
        fails()
        return found

    runs = Runs(daily)
    runs.attempt()

    assert runs.attempt(anew=True).result == "abc"
    assert "by json" in fields_of(runs, name="greet")


def test_the_result_of_the_run_itself_is_read_by_those_who_know_its_name_only() -> None:
    @flow(name="daily", result_serializer=Caesar(3))
    def daily() -> str:
        return "abc"

    runs = Runs(daily)
    runs.attempt()

    state = root_state(runs.chain.read(), large=None)
    assert state is not None
    assert state.data == "abc"


def test_what_a_transaction_holds_is_not_the_authors_to_choose() -> None:
    found: list[object] = []

    @task(result_serializer="json")
    def reserve() -> str:
        get_transaction().set("seats", (1, 2))
        return "reserved"

    @reserve.on_commit
    def confirm(txn: Any) -> None:
        found.append(txn.get("seats"))

    @flow
    def book() -> None:
        with transaction():
            reserve()

    Runs(book).attempt()

    assert found == [(1, 2)]


def test_where_pickles_are_forbidden_one_that_pickles_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENSTOCK_ALLOW_PICKLE", "false")

    @task(name="load", result_serializer="compressed/pickle")
    def load() -> Order:
        return ORDER

    @flow
    def daily() -> Order:
        return load()

    runs = Runs(daily)

    assert runs.attempt().result == ORDER
    assert "json with classes" in fields_of(runs, name="load")


def test_what_the_serializer_cannot_write_is_said_and_runs_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @task(name="load", result_serializer="json")
    def load() -> object:
        return object()

    @flow
    def daily() -> None:
        load()

    Runs(daily).attempt()

    assert "A object cannot be written as JSON" in caplog.text
    assert "load-0 will run again if the run is resumed" in caplog.text
