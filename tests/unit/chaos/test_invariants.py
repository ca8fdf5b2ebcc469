"""The judges of the chaos tests: each finds what it is there to find, and nothing in a good run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from tests.chaos.invariants import Story, no_wait_ended_early, violations_of
from tests.chaos.ledger import Fact
from tests.chaos.model import expected_of
from tests.chaos.program import (
    AnswerUpdate,
    AwaitSignal,
    Block,
    Call,
    MissSignal,
    Program,
    Sleep,
)

PROGRAM = Program(
    "0",
    (
        Call("c", fails=1, retries=1),
        Sleep("s", 2.0),
        AwaitSignal("w", "go"),
        MissSignal("n", 1.0),
        Block("t", ("b",), fails=True),
        Block("u", ("k",)),
    ),
)
SLEEPS = expected_of(Program("0", (Sleep("s", 2.0),)))
Told = tuple[str, dict[str, Any]]


def by(attempt: int, **facts: Any) -> dict[str, Any]:
    return {"pod": f"pod-{attempt}", "process": f"pod-{attempt}/x", "attempt": attempt} | facts


def call(step: str, *, attempt: int = 1, number: int = 1, failed: bool = False) -> list[Told]:
    this = {"step": step, "key": f"key-{step}", "try": number, "epoch": [1]}
    return [("begin", by(attempt, **this)), ("end", by(attempt, failed=failed, **this))]


def record(number: int, *did: str, attempt: int = 1, fence: bool = False) -> Told:
    keys = [f"key-{step}" for step in did]
    return "record", by(attempt, number=number, did=keys, fence=fence, holds=[])


def status(state: str, *, attempt: int = 1, reported_by: int | None = None) -> Told:
    by_attempt = attempt if reported_by is None else reported_by
    facts = {"state": state, "attempt": attempt, "reason": "", "outcome": ""}
    return "status", facts | {"by": by_attempt, "pod": f"pod-{by_attempt}"}


GOOD: list[Told] = [
    status("Pending", reported_by=0),
    status("Running"),
    record(0, fence=True),
    *call("c", failed=True),
    *call("c", number=2),
    record(1, "c"),
    ("sleeping", by(1, name="s")),
    ("woke", by(1, name="s")),
    ("got", by(1, name="w", payload="go-0")),
    ("waiting", by(1, name="n")),
    ("missed", by(1, name="n")),
    *call("b"),
    record(2, "b"),
    ("undo", by(1, step="b")),
    *call("k"),
    record(3, "k"),
    ("commit", by(1, step="k")),
    status("Completed"),
]


CANCEL: Told = ("cancel", {})
CANCELLED: list[Told] = [
    *GOOD[: GOOD.index(("got", by(1, name="w", payload="go-0")))],
    *call("b"),
    record(2, "b"),
    CANCEL,
    ("undo", by(1, step="b")),
    status("Cancelled"),
]
"""Cancelled while it waited for its signal, in a transaction."""


def judged(told: Sequence[Told]) -> list[str]:
    """Judge what happened, a second and a half apart, and tell which invariants are broken."""
    clock = count(start=0.0, step=1.5)
    facts = [Fact(next(clock) + (what == "woke"), what, given) for what, given in told]
    numbers = [given["number"] for what, given in told if what == "record"]
    said = violations_of(Story(expected_of(PROGRAM), facts, sorted(numbers)))
    return sorted({each.partition(":")[0] for each in said})


def after(what: str, *more: Told) -> list[Told]:
    """Return the good run with something more after the last fact of a kind."""
    place = max(index for index, (name, _) in enumerate(GOOD) if name == what)
    return [*GOOD[: place + 1], *more, *GOOD[place + 1 :]]


def without(what: str) -> list[Told]:
    return [each for each in GOOD if each[0] != what]


NEXT = [record(4, attempt=2, fence=True), record(5, "c", attempt=2)]
BROKEN: dict[str, tuple[str, list[Told]]] = {
    "work that was journaled begins again": (
        "acknowledged_work_is_not_redone",
        after("commit", *call("c", number=2)),
    ),
    "what was undone is done again at once": (
        "acknowledged_work_is_not_redone",
        after("undo", *call("b"), ("undo", by(1, step="b"))),
    ),
    "a call was never made": (
        "all_work_was_done_and_no_other",
        [each for each in GOOD if each[1].get("step") != "k" or each[0] == "commit"],
    ),
    "a call was made that is not in the program": (
        "all_work_was_done_and_no_other",
        after("commit", *call("z")),
    ),
    "a retry too many": (
        "all_work_was_done_and_no_other",
        [*GOOD[:5], *call("k", number=2), *GOOD[5:]],
    ),
    "retries begin at one again": (
        "retries_that_were_used_stay_used",
        [*GOOD[:7], *call("c", failed=True), *GOOD[7:]],
    ),
    "a fenced process writes": (
        "fenced_writers_are_not_seen",
        after("commit", record(4, attempt=2, fence=True), record(5)),
    ),
    "a fenced process reports": (
        "fenced_writers_are_not_seen",
        after("commit", status("Running", attempt=2), status("Running", attempt=2, reported_by=1)),
    ),
    "a run leaves its terminal state": (
        "it_ended_once_and_as_it_should",
        [*GOOD, status("Running", attempt=2)],
    ),
    "a run ends as it should not": (
        "it_ended_once_and_as_it_should",
        [*GOOD[:-1], status("Crashed")],
    ),
    "a sleep ends early": (
        "no_wait_ended_early",
        [*GOOD[:8], ("woke", by(1, name="s")), ("sleeping", by(1, name="s")), *GOOD[10:]],
    ),
    "a signal is consumed twice": (
        "each_signal_was_consumed_once",
        after("got", ("got", by(1, name="w2", payload="go-0"))),
    ),
    "a wait gets another signal after a crash": (
        "each_signal_was_consumed_once",
        after("got", ("got", by(2, name="w", payload="go-1"))),
    ),
    "work that failed is not undone": ("work_was_committed_or_undone", without("undo")),
    "work is not committed": ("work_was_committed_or_undone", without("commit")),
    "a run that nobody cancelled is cancelled": (
        "it_ended_once_and_as_it_should",
        [each for each in CANCELLED if each != CANCEL],
    ),
    "a run that was cancelled fails": (
        "it_ended_once_and_as_it_should",
        [*CANCELLED[:-1], status("Failed")],
    ),
    "a cancelled run does what is not in the program": (
        "all_work_was_done_and_no_other",
        [*CANCELLED[:-1], *call("c", number=3), CANCELLED[-1]],
    ),
    "work that was cut short is not undone": (
        "work_was_committed_or_undone",
        [each for each in CANCELLED if each[0] != "undo"],
    ),
    "what was to be undone is committed as it was cut short": (
        "work_was_committed_or_undone",
        [
            *(each for each in CANCELLED[:-1] if each[0] != "undo"),
            ("commit", by(1, step="b")),
            CANCELLED[-1],
        ],
    ),
    "work that was cut short is committed and undone": (
        "work_was_committed_or_undone",
        [*CANCELLED[:-1], ("commit", by(1, step="b")), CANCELLED[-1]],
    ),
    "a record is lost": ("the_journal_is_whole", after("commit", record(5))),
    "a record is there twice": (
        "the_journal_is_whole",
        after("commit", ("two-records", {"number": 1})),
    ),
}


def test_a_good_run_is_good() -> None:
    assert judged(GOOD) == []


def test_a_run_that_was_cancelled_has_done_a_part_of_it() -> None:
    assert judged(CANCELLED) == []


def test_a_run_that_was_cancelled_too_late_has_done_all_of_it() -> None:
    assert judged(after("commit", CANCEL)) == []


@pytest.mark.parametrize(
    ("skews", "is_right"),
    [
        ({"pod-1": 0, "pod-2": 2}, True),
        ({"pod-1": -2, "pod-2": 0}, True),
        ({"pod-1": 2, "pod-2": 0}, False),
        ({}, False),
    ],
    ids=["ended by a fast clock", "begun by a slow one", "begun by a fast one", "they agree"],
)
def test_a_wait_is_as_exact_as_the_clocks_of_its_pods_agree(
    skews: dict[str, int], *, is_right: bool
) -> None:
    facts = [
        Fact(0.0, "sleeping", by(1, name="s")),
        Fact(1.0, "woke", by(2, name="s")),
    ]

    said = list(no_wait_ended_early(Story(SLEEPS, facts, [], skews=skews)))

    assert (said == []) == is_right


@pytest.mark.parametrize(("invariant", "told"), BROKEN.values(), ids=BROKEN)
def test_what_must_not_be_is_found(invariant: str, told: list[Told]) -> None:
    assert invariant in judged(told)


def test_a_process_that_was_cut_off_may_finish_what_it_knew_to_be_due() -> None:
    told = after("commit", *NEXT, *call("c", number=2, attempt=1))

    assert judged(told) == []


def test_a_process_is_cut_off_once_another_has_begun_whenever_its_fence_is_heard_of() -> None:
    again = call("z", attempt=2) + call("c", number=2, attempt=1)
    told = [*GOOD[:7], *again, *NEXT, *GOOD[7:]]

    assert "acknowledged_work_is_not_redone" not in judged(told)


@pytest.mark.parametrize(
    ("told", "is_right"),
    [
        ({"ask-0": ["ask-0", "did:a:key-a"]}, True),
        ({"ask-0": ["ask-0", "did:a:another"]}, False),
        ({"ask-0": None}, False),
        ({}, False),
    ],
    ids=["told", "told something else", "told nothing", "never settled"],
)
def test_what_the_sender_of_an_update_was_told_has_to_be_what_was_done(
    told: dict[str, object], is_right: bool
) -> None:
    expected = expected_of(Program("0", (AnswerUpdate("u", "a"),)))
    happened = [("got", by(1, name="u", payload="ask-0")), *call("a"), record(0, fence=True)]
    facts = [Fact(float(at), what, given) for at, (what, given) in enumerate(happened)]

    said = violations_of(Story(expected, facts, [0], told))

    broken = {each.partition(":")[0] for each in said}
    assert ("each_update_was_answered" not in broken) == is_right
