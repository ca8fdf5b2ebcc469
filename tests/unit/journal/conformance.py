"""What every chain has to do. A backend's tests call each of these with a function that opens one.

Two calls of ``open_chain`` give two writers of the same run.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.journal.chain import Chain, ChainConflict

OpenChain = Callable[[], Chain]


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


CONFORMANCE = [
    a_new_chain_is_empty,
    records_come_back_in_order_and_as_they_were,
    a_number_that_is_taken_is_refused_and_shows_who_has_it,
    a_writer_that_was_overtaken_cannot_write,
    many_records_are_read_whole,
]
