"""A record is read as it was written, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import CorruptJournal
from penstock.journal.records import Header, Record, decode_record, encode_record

HEADER = Header(kind="entries", attempt=2, holder="pod-a", batch="b1", epoch=1)


def test_a_record_comes_back_with_its_header_and_lines() -> None:
    raw = encode_record(HEADER, ["done 1 {}", "grüße 2 {}"])

    record = decode_record(raw, number=7)

    assert record == Record(HEADER, ("done 1 {}", "grüße 2 {}"))


@given(position=st.integers(min_value=0), byte=st.integers(min_value=1, max_value=255))
def test_a_byte_that_was_changed_is_noticed(position: int, byte: int) -> None:
    raw = bytearray(encode_record(HEADER, ["done 1 {}"]))
    raw[position % len(raw)] ^= byte

    with pytest.raises(CorruptJournal, match="Record 7 of the journal"):
        decode_record(bytes(raw), number=7)


@given(length=st.integers(min_value=0, max_value=300))
def test_a_record_that_was_cut_off_is_noticed(length: int) -> None:
    raw = encode_record(HEADER, ["done 1 {}"])

    with pytest.raises(CorruptJournal):
        decode_record(raw[: min(length, len(raw) - 1)], number=0)


def test_a_record_of_a_newer_version_says_so() -> None:
    with pytest.raises(CorruptJournal, match="a newer version of Penstock wrote it"):
        decode_record(b"penstock-journal/2 abc\n{}", number=0)
