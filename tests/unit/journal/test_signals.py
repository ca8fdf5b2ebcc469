"""Signals: kept until somebody waits, taken once, judged before they count (G6)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from tests.unit.journal.mail import Mail, message
from tests.unit.journal.runs import PowerCut

from penstock import flow, wait_for_input, wait_for_signal
from penstock.drivers.receiving import NOTE
from penstock.errors import MissingContextError, SignalTimeoutError
from penstock.input import Approval
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder
from penstock.testing import answered


@dataclass
class Order:
    number: int


def test_a_signal_that_came_early_is_there_when_it_is_waited_for() -> None:
    @flow
    def asking() -> object:
        return wait_for_signal("go")

    mail = Mail(message("go", {"speed": 3}))
    outcome = mail.run(asking)

    assert outcome.result == {"speed": 3}
    assert mail.settled == {"s1": ("Consumed", "")}


def test_signals_of_one_name_are_taken_in_their_order_and_once() -> None:
    @flow
    def asking() -> list[object]:
        return [wait_for_signal("next"), wait_for_signal("other"), wait_for_signal("next")]

    outcome = Mail(
        message("next", 1, id="a"), message("other", 2, id="b"), message("next", 3, id="c")
    ).run(asking)

    assert outcome.result == [1, 2, 3]


def test_what_was_consumed_is_found_again_and_not_consumed_twice() -> None:
    crashes: list[object] = []

    @flow
    def asking() -> list[object]:
        first = wait_for_signal("next")
        if not crashes:
            crashes.append(first)
            raise PowerCut
        return [first, wait_for_signal("next")]

    mail = Mail(message("next", 1, id="a"), message("next", 2, id="b"))
    mail.run(asking)
    outcome = mail.run(asking)

    assert outcome.result == [1, 2]


def test_of_signals_with_one_key_the_first_counts() -> None:
    @flow
    def asking() -> list[object]:
        return [wait_for_signal("paid"), wait_for_signal("paid")]

    mail = Mail(
        message("paid", 1, id="a", idempotency_key="k"),
        message("paid", 1, id="b", idempotency_key="k"),
        message("paid", 2, id="c", idempotency_key="l"),
    )
    outcome = mail.run(asking)

    assert outcome.result == [1, 2]
    assert mail.settled["b"] == ("Rejected", "A signal paid with the key k was taken before.")


def test_the_key_of_a_signal_that_was_rejected_stays_free() -> None:
    @flow
    def asking() -> int:
        return wait_for_input(Order).number

    mail = Mail(
        message("input", {"number": "many"}, id="a", idempotency_key="k"),
        message("input", {"number": 7}, id="b", idempotency_key="k"),
    )
    outcome = mail.run(asking)

    assert outcome.result == 7
    assert [mail.settled[each][0] for each in "ab"] == ["Rejected", "Consumed"]


def test_a_payload_that_does_not_fit_is_rejected_and_the_wait_goes_on() -> None:
    @flow
    def asking() -> int:
        return wait_for_input(Order).number

    mail = Mail(
        message("input", {"number": "many"}, id="a"), message("input", {"number": "7"}, id="b")
    )
    outcome = mail.run(asking)

    assert outcome.result == 7
    assert mail.settled["a"][0] == "Rejected"
    assert "valid integer" in mail.settled["a"][1]


def test_a_refusal_names_all_that_is_wrong_in_one_line() -> None:
    @dataclass
    class Delivery:
        number: int
        urgent: bool

    @flow
    def asking() -> int:
        return wait_for_input(Delivery).number

    wrong, right = {"number": "many", "urgent": "may\nbe"}, {"number": 7, "urgent": True}
    mail = Mail(message("input", wrong, id="a"), message("input", right, id="b"))
    mail.run(asking)

    state, why = mail.settled["a"]
    assert state == "Rejected"
    assert why.startswith("number: Input should be a valid integer")
    assert "(got 'many', a str); urgent: Input should be a valid boolean" in why
    assert "\n" not in why
    assert "pydantic" not in why


def test_only_those_who_may_answer_do() -> None:
    @flow
    def asking() -> tuple[bool, str]:
        answer = wait_for_signal("ok", Approval, senders=["ada"], groups=["managers"])
        return answer.approved, answer.by

    mail = Mail(
        message("ok", {"approved": True}, id="a", sender="eve"),
        message("ok", {"approved": False}, id="b", sender="bob", groups=("managers",)),
    )
    outcome = mail.run(asking)

    assert outcome.result == (False, "bob")
    assert mail.settled["a"] == (
        "Rejected",
        "eve may not answer; ada, the group managers may.",
    )


def test_the_log_and_the_journal_say_who_said_it_and_when(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @flow
    def asking() -> object:
        return wait_for_signal("go", int)

    mail = Mail(message("go", "fast", id="a", sender="eve"), message("go", 3, id="b"))
    with caplog.at_level("INFO", "penstock"):
        mail.run(asking)

    (noted,) = open_journal(mail.chain, holder=Holder(attempt=2, process="process 2")).notes(NOTE)
    assert isinstance(noted, dict)
    assert (noted["sender"], noted["sentAt"]) == ("ada", "2026-11-20T12:00:00+00:00")
    said = [line for line in caplog.messages if "the signal go" in line]
    assert said[0].startswith("Refused the signal go from eve, sent 2026-11-20 12:00:00 UTC: ")
    assert said[1] == "Took the signal go from ada, sent 2026-11-20 12:00:00 UTC."


def test_a_time_out_is_remembered() -> None:
    tries: list[int] = []

    @flow
    def asking() -> str:
        try:
            wait_for_signal("go", timeout=0.01)
        except SignalTimeoutError as error:
            tries.append(1)
            if len(tries) == 1:
                raise PowerCut from None
            return str(error)
        return "went"

    mail = Mail()
    mail.run(asking)
    mail.messages.append(message("go"))
    outcome = mail.run(asking)

    assert outcome.result == "No signal go came within 0.01 seconds."


async def test_async_flows_await_signals() -> None:
    @flow
    async def asking() -> list[object]:
        return await asyncio.gather(wait_for_signal("a"), wait_for_signal("b"))

    with answered("b", 2), answered("a", 1):
        found = await asking()

    assert found == [1, 2]


def test_where_no_signal_can_come_a_sentence_says_what_to_do() -> None:
    @flow
    def asking() -> None:
        wait_for_signal("go")

    with pytest.raises(MissingContextError, match=r"penstock\.testing\.answered"):
        asking()
