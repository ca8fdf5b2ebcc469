"""Updates: a signal whose sender gets an answer, once, whatever dies in between (G6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tests.unit.journal.mail import Mail, message
from tests.unit.journal.runs import CutChain, PowerCut

from penstock import Flow, flow, task, wait_for_update
from penstock.drivers.answering import LARGEST_ANSWER
from penstock.drivers.inbox import Verdict
from penstock.input import Update
from penstock.testing import answered


@dataclass
class Limit:
    value: int


def limited() -> Flow[[], int]:
    """A flow that takes one update; the task's result tells how often it was begun."""
    begun: list[int] = []

    @task
    def apply(limit: int) -> int:
        begun.append(limit)
        return limit + len(begun)

    @flow
    def limits() -> int:
        with wait_for_update("limit", Limit) as update:
            value = apply(update.payload.value)
            update.answer({"now": value, "by": update.sender})
        return value

    return limits


def test_the_sender_gets_what_the_flow_answers() -> None:
    mail = Mail(message("limit", {"value": 5}))

    outcome = mail.run(limited())

    assert outcome.result == 6
    assert mail.told == [
        ("s1", Verdict(state="Received")),
        ("s1", Verdict(state="Consumed", answer={"now": 6, "by": "ada"})),
    ]


def test_a_block_that_ends_without_an_answer_answers_nothing() -> None:
    @flow
    def limits() -> None:
        with wait_for_update("limit"):
            pass

    mail = Mail(message("limit"))
    mail.run(limits)

    assert mail.told[-1] == ("s1", Verdict(state="Consumed"))


def test_an_error_that_leaves_the_block_is_the_answer_too() -> None:
    @flow
    def limits() -> str:
        try:
            with wait_for_update("limit", Limit) as update:
                raise ValueError(f"{update.payload.value} is too much")
        except ValueError:
            return "went on"

    mail = Mail(message("limit", {"value": 500}))
    outcome = mail.run(limits)

    assert outcome.result == "went on"
    assert mail.settled == {"s1": ("Rejected", "ValueError: 500 is too much")}


def test_an_update_can_be_rejected_in_words() -> None:
    @flow
    def limits() -> None:
        with wait_for_update("limit") as update:
            update.reject("It is too late.")

    mail = Mail(message("limit"))
    mail.run(limits)

    assert mail.settled == {"s1": ("Rejected", "It is too late.")}


def test_a_payload_that_does_not_fit_is_rejected_and_the_next_is_taken() -> None:
    mail = Mail(message("limit", {"value": "much"}, id="a"), message("limit", {"value": 5}, id="b"))

    outcome = mail.run(limited())

    assert outcome.result == 6
    assert mail.settled["a"][0] == "Rejected"
    assert mail.settled["b"][0] == "Consumed"


def test_an_update_without_a_block_is_answered_when_it_suits() -> None:
    @flow
    def limits() -> None:
        first = wait_for_update("limit")
        second = wait_for_update("limit")
        second.answer("second")
        first.answer("first")

    mail = Mail(message("limit", id="a"), message("limit", id="b"))
    mail.run(limits)

    assert [(id_, verdict.answer) for id_, verdict in mail.told[2:]] == [
        ("b", "second"),
        ("a", "first"),
    ]


def _sweep() -> list[Any]:
    return [
        pytest.param(cut_at, stored, id=f"{'after' if stored else 'before'} record {cut_at}")
        for cut_at in range(3, 7)
        for stored in (False, True)
    ]


@pytest.mark.parametrize(("cut_at", "stored"), _sweep())
def test_the_answer_is_one_whichever_record_is_the_process_s_last(
    cut_at: int, stored: bool
) -> None:
    chain = CutChain(cut_at=cut_at, stored=stored)
    limits = limited()
    mail = Mail(message("limit", {"value": 5}), chain=chain)
    mail.run(limits)
    assert chain.was_cut
    mail.chain = chain.restored()

    outcome = mail.run(limits)

    final = {id_: verdict for id_, verdict in mail.told if verdict.is_final}
    answers = [verdict.answer for _, verdict in mail.told if verdict.is_final]
    assert final["s1"].answer == {"now": outcome.result, "by": "ada"}
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("cut_at", [1, 2])
def test_the_answer_is_one_whichever_word_is_the_process_s_last(cut_at: int) -> None:
    limits = limited()
    mail = Mail(message("limit", {"value": 5}))
    mail.cut_at = cut_at
    mail.run(limits)

    outcome = mail.run(limits)

    answers = [verdict.answer for _, verdict in mail.told if verdict.is_final]
    assert answers[0] == {"now": outcome.result, "by": "ada"}
    assert all(answer == answers[0] for answer in answers)


def test_what_was_answered_counts_although_the_code_says_something_else_now() -> None:
    said = iter(["first", "second"])
    cuts: list[int] = []

    @flow
    def limits() -> None:
        with wait_for_update("limit") as update:
            update.answer(next(said))
        if not cuts:
            cuts.append(1)
            raise PowerCut

    mail = Mail(message("limit"))
    mail.run(limits)
    mail.run(limits)

    assert {verdict.answer for _, verdict in mail.told if verdict.is_final} == {"first"}


def test_a_second_answer_is_refused() -> None:
    @flow
    def limits() -> None:
        with wait_for_update("limit") as update:
            update.answer(1)
            update.answer(2)

    with answered("limit") as sent, pytest.raises(RuntimeError, match="has its answer"):
        limits()

    assert sent.answer == 1


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (object(), "The answer to limit cannot be sent as JSON"),
        ("<" * 1000, "takes 6,002 bytes of JSON, and 4,096 are taken"),
    ],
    ids=["no JSON", "too large"],
)
def test_an_answer_that_cannot_be_sent_is_an_error_of_the_flow(
    value: object, sentence: str
) -> None:
    @flow
    def limits() -> None:
        with wait_for_update("limit") as update:
            update.answer(value)

    with answered("limit") as sent, pytest.raises(ValueError, match=sentence):
        limits()

    assert sent.state == "Rejected"
    assert sentence in sent.message


def test_the_largest_answer_is_taken() -> None:
    @flow
    def limits() -> None:
        wait_for_update("limit").answer("x" * (LARGEST_ANSWER - 2))

    with answered("limit") as sent:
        limits()

    assert len(sent.answer) == LARGEST_ANSWER - 2


async def test_async_flows_await_updates() -> None:
    @flow
    async def limits() -> int:
        update: Update[Limit]
        with await wait_for_update("limit", Limit) as update:
            update.answer(Limit(update.payload.value + 1))
        return update.payload.value

    with answered("limit", {"value": 5}, sender="eve") as sent:
        assert await limits() == 5

    assert (sent.state, sent.answer) == ("Consumed", {"value": 6})


def test_a_message_that_nobody_took_is_pending() -> None:
    with answered("limit") as sent:
        pass

    assert (sent.state, sent.answer, sent.message) == ("Pending", None, "")
