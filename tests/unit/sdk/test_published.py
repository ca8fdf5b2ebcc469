"""Published values: what a run says of itself, and what of it comes back after a crash."""

from __future__ import annotations

import pytest
from tests.unit.journal.runs import PowerCut, Runs

from penstock import Flow, flow, get_state_value, set_state_value, task
from penstock.errors import MissingContextError
from penstock.execution import RunContext, execute
from penstock.journal.run_journal import open_journal


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)


def published(flow: Flow[[], object]) -> dict[str, object]:
    """Run a flow and return what it has published."""
    context = RunContext("daily-1")
    execute(flow, parameters={}, context=context).state.result()
    return {each.key: each.value for each in context.records.published}


def test_the_last_value_of_each_key_stands() -> None:
    @task
    def load() -> None:
        set_state_value("stage", "loading")
        set_state_value("rows", {"read": 3, "bad": [None]})

    @flow
    def daily() -> None:
        set_state_value("stage", "beginning")
        load()

    assert published(daily) == {"stage": "loading", "rows": {"read": 3, "bad": [None]}}


def test_a_run_reads_what_it_published() -> None:
    @task
    def add(number: int) -> None:
        set_state_value("sum", get_state_value("sum", 0) + number)

    @flow
    def daily() -> object:
        for number in (1, 2, 3):
            add(number)
        return get_state_value("sum"), get_state_value("other")

    assert daily() == (6, None)


def test_what_was_published_stays_whatever_becomes_of_the_object() -> None:
    @flow
    def daily() -> object:
        rows = [1]
        set_state_value("rows", rows)
        rows.append(2)
        get_state_value("rows").append(3)
        return get_state_value("rows")

    assert daily() == [1]


def test_a_finished_task_s_values_come_back_after_a_crash() -> None:
    cuts: list[int] = []

    @task
    def load() -> int:
        set_state_value("rows", 3)
        return 3

    @flow
    def daily() -> object:
        load()
        if not cuts:
            cuts.append(1)
            raise PowerCut
        return get_state_value("rows")

    runs = Runs(daily)
    for _ in range(2):
        context = RunContext("daily-1")
        context.journal = open_journal(runs.chain, holder=runs.next_holder())
        outcome = execute(daily, parameters={}, context=context)

    assert outcome.result == 3
    assert [(each.key, each.value) for each in context.records.published] == [("rows", 3)]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("", 1, "begins with a letter or a digit; '' does not"),
        ("a b", 1, "'a b' does not"),
        ("k", object(), "The value k cannot be sent as JSON"),
        ("k", float("nan"), "The value k cannot be sent as JSON"),
        ("k", 10**30, "an integer may have 18 digits, not 31"),
        ("k", "x" * 20_000, "The value k takes 20,002 bytes of JSON, and 16,384 are taken"),
    ],
    ids=["no key", "a blank", "no JSON", "no number", "a large integer", "too large"],
)
def test_what_cannot_be_published_is_refused_in_a_sentence(
    key: str, value: object, sentence: str
) -> None:
    @flow
    def daily() -> None:
        set_state_value(key, value)

    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        daily()


def test_outside_of_runs_a_sentence_says_where_it_belongs() -> None:
    with pytest.raises(MissingContextError, match=r"set_state_value\(\) belongs inside a flow"):
        set_state_value("stage", "loading")
