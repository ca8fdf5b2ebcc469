"""What every chain has to do. A backend's tests call each of these with a function that opens one.

Two calls of ``open_chain`` give two writers of the same run.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.engine.identity import CallKey
from penstock.errors import CorruptJournal, JournalFenced
from penstock.journal.chain import MAX_RECORD_BYTES, Chain, ChainConflict
from penstock.journal.run_journal import RunJournal, open_journal
from penstock.journal.writing import Holder
from penstock.states import Completed, State

OpenChain = Callable[[], Chain]


class LostAnswers:
    """A chain that stores, and whose writer then asks again, as it has heard nothing."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.is_remote = chain.is_remote
        self.read = chain.read

    def put(self, number: int, record: bytes) -> None:
        """Store a record, and meet it."""
        self._chain.put(number, record)
        self._chain.put(number, record)


def journal_of(chain: Chain, *, attempt: int) -> RunJournal:
    """Open the run's journal as the process of an attempt."""
    return open_journal(chain, holder=Holder(attempt=attempt, process=f"pod-{attempt}"))


def store(journal: RunJournal, number: int) -> None:
    """Store that a call came to a number."""
    journal.record(_call(number), state=Completed(data=number), epoch=lambda: "0")


def stored(journal: RunJournal, number: int) -> bool:
    """Tell whether the journal has what that call came to."""
    found = journal.find(_call(number), epoch=lambda: "0")
    return isinstance(found, State) and found.data == number


def _call(number: int) -> CallKey:
    return CallKey("", "load(load)", "0", number)


def a_new_chain_is_empty(open_chain: OpenChain) -> None:
    assert open_chain().read() == []


def records_come_back_in_order_and_as_they_were(open_chain: OpenChain) -> None:
    records = [b"one", b"", b"three \x00\xff\n", b"x" * 200_000]
    writer = open_chain()
    for number, record in enumerate(records):
        writer.put(number, record)

    read = open_chain().read()

    assert read == records


def a_number_that_is_taken_is_refused_and_shows_who_has_it(open_chain: OpenChain) -> None:
    first, second = open_chain(), open_chain()
    first.put(0, b"ours")

    with pytest.raises(ChainConflict) as caught:
        second.put(0, b"theirs")

    assert caught.value.found == b"ours"
    assert open_chain().read() == [b"ours"]


def a_writer_that_was_overtaken_cannot_write(open_chain: OpenChain) -> None:
    old, new = open_chain(), open_chain()
    old.put(0, b"fence 1")
    old.put(1, b"entry")
    new.put(2, b"fence 2")
    new.put(3, b"entry of 2")

    with pytest.raises(ChainConflict) as caught:
        old.put(2, b"late")

    assert caught.value.found == b"fence 2"
    assert open_chain().read() == [b"fence 1", b"entry", b"fence 2", b"entry of 2"]


def many_records_are_read_whole(open_chain: OpenChain) -> None:
    writer = open_chain()
    for number in range(700):
        writer.put(number, b"%d" % number)

    read = open_chain().read()

    assert read == [b"%d" % number for number in range(700)]


def the_largest_record_is_stored(open_chain: OpenChain) -> None:
    record = b"x" * MAX_RECORD_BYTES

    open_chain().put(0, record)

    assert open_chain().read() == [record]


def what_an_attempt_has_stored_the_next_one_finds(open_chain: OpenChain) -> None:
    first = journal_of(open_chain(), attempt=1)
    for number in range(3):
        store(first, number)

    second = journal_of(open_chain(), attempt=2)

    assert [stored(second, number) for number in range(4)] == [True, True, True, False]


def an_attempt_that_was_overtaken_is_fenced(open_chain: OpenChain) -> None:
    first = journal_of(open_chain(), attempt=1)
    journal_of(open_chain(), attempt=2)

    with pytest.raises(JournalFenced, match="Attempt 2 of the run, pod-2, has taken the journal"):
        store(first, 0)


def what_is_stored_together_is_one_record(open_chain: OpenChain) -> None:
    journal = journal_of(open_chain(), attempt=1)
    before = len(open_chain().read())

    journal.record_given((), {"day": "monday"}, code="v1")  # two entries

    assert len(open_chain().read()) == before + 1


def what_is_put_again_as_nobody_answered_is_there_once(open_chain: OpenChain) -> None:
    journal = journal_of(LostAnswers(open_chain()), attempt=1)
    store(journal, 0)
    store(journal, 1)

    assert len(open_chain().read()) == 3
    assert stored(journal_of(open_chain(), attempt=2), 1)


def a_record_that_was_cut_off_is_reported(open_chain: OpenChain) -> None:
    _assert_reported(open_chain, damage=lambda record: record[:-3])


def a_byte_that_was_changed_is_reported(open_chain: OpenChain) -> None:
    _assert_reported(open_chain, damage=lambda record: record[:-3] + b"#" + record[-2:])


def _assert_reported(open_chain: OpenChain, *, damage: Callable[[bytes], bytes]) -> None:
    """Demand that nobody goes on with a journal that has a damaged record."""
    store(journal_of(open_chain(), attempt=1), 0)
    records = open_chain().read()
    open_chain().put(len(records), damage(records[-1]))

    with pytest.raises(CorruptJournal, match=f"Record {len(records)} of the journal"):
        journal_of(open_chain(), attempt=2)


CONFORMANCE = [
    a_new_chain_is_empty,
    records_come_back_in_order_and_as_they_were,
    a_number_that_is_taken_is_refused_and_shows_who_has_it,
    a_writer_that_was_overtaken_cannot_write,
    many_records_are_read_whole,
    the_largest_record_is_stored,
    what_an_attempt_has_stored_the_next_one_finds,
    an_attempt_that_was_overtaken_is_fenced,
    what_is_stored_together_is_one_record,
    what_is_put_again_as_nobody_answered_is_there_once,
    a_record_that_was_cut_off_is_reported,
    a_byte_that_was_changed_is_reported,
]
