"""Journals whose records are signed, encrypted or compressed, and what is refused of them."""

from __future__ import annotations

import base64
import pickle
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from penstock.engine.identity import CallKey
from penstock.errors import StoreUnusable
from penstock.journal.chain import ChainConflict, MemoryChain
from penstock.journal.records import Header, decode_record, encode_record
from penstock.journal.run_journal import RunJournal, open_journal
from penstock.journal.sealed import SealedChain
from penstock.journal.writing import Holder
from penstock.sealing import Seal
from penstock.states import Completed

KEY = CallKey("", "load(load)", "0", 0)
SECRET = "the eagle lands at noon"


class Zlib:
    """A codec of an author's."""

    def encode(self, content: bytes) -> bytes:
        return zlib.compress(content)

    def decode(self, stored: bytes) -> bytes:
        return zlib.decompress(stored)


class Encrypting:
    """Another one, with a key."""

    def __init__(self) -> None:
        self._fernet = Fernet(Fernet.generate_key())

    def encode(self, content: bytes) -> bytes:
        return self._fernet.encrypt(content)

    def decode(self, stored: bytes) -> bytes:
        return self._fernet.decrypt(stored)


ZLIB = Seal(codec=Zlib(), codec_name="codecs_of_mine:zlib")
FERNET = Seal(codec=Encrypting(), codec_name="codecs_of_mine:fernet")
SIGNED = Seal(key=b"nobody guesses this")


def opened(chain: MemoryChain, *, seal: Seal, attempt: int = 1, run: str = "u-1") -> RunJournal:
    sealed = SealedChain(chain, seal=seal, run=run) if seal else chain
    return open_journal(sealed, holder=Holder(attempt=attempt, process="p"))


def written(seal: Seal, *, value: object = SECRET) -> MemoryChain:
    chain = MemoryChain()
    journal = opened(chain, seal=seal)
    journal.record(KEY, state=Completed(data=value), epoch=lambda: "0")
    return chain


def changed(chain: MemoryChain, change: Callable[[bytes], bytes], *, number: int = 1) -> None:
    """Have somebody write who can write the store, and computes checksums as well as we do."""
    chain._records[number] = change(chain._records[number])


@pytest.mark.parametrize(
    "seal", [ZLIB, FERNET, SIGNED, replace(FERNET, key=b"k")], ids=["zlib", "fernet", "key", "both"]
)
def test_what_was_sealed_is_found_by_the_next_attempt(seal: Seal) -> None:
    chain = written(seal, value=[SECRET] * 3)

    found = opened(chain, seal=seal, attempt=2).find(KEY, epoch=lambda: "0")

    assert found is not None
    assert found.data == [SECRET] * 3  # type: ignore[union-attr]


def test_an_encrypted_journal_shows_neither_values_nor_names() -> None:
    stored = b"".join(written(FERNET).read())

    assert b"eagle" not in stored
    assert b"load" not in stored
    assert b"eagle" in b"".join(written(SIGNED).read())


def test_a_journal_says_which_codec_it_needs() -> None:
    chain = written(ZLIB)

    with pytest.raises(StoreUnusable, match=r"through the codec codecs_of_mine:zlib, and none is"):
        opened(chain, seal=Seal(), attempt=2)
    with pytest.raises(StoreUnusable, match=r"Set PENSTOCK_CODEC=codecs_of_mine:zlib\."):
        opened(chain, seal=FERNET, attempt=2)


def test_a_codec_with_another_key_is_an_error() -> None:
    chain = written(FERNET)

    with pytest.raises(StoreUnusable, match=r"codecs_of_mine:fernet cannot read it .InvalidToken"):
        opened(chain, seal=replace(FERNET, codec=Encrypting()), attempt=2)


def test_a_run_that_began_without_a_codec_goes_on_with_one() -> None:
    chain = written(Seal())

    assert opened(chain, seal=ZLIB, attempt=2).find(KEY, epoch=lambda: "0") is not None


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> object:
        return exec, ("import sys; sys.penstock_bomb = 'went off'",)


def test_a_forged_record_is_refused_counted_and_named_and_nothing_in_it_runs() -> None:
    chain = written(SIGNED)
    opened(chain, seal=SIGNED, attempt=2)
    pickled = base64.b64encode(pickle.dumps(Bomb())).decode()
    header = Header(kind="entries", attempt=1, holder="p", batch="b", epoch=0)
    line = f'done {KEY.digest_of_path()} {{"name":"load(load)","pickle":"{pickled}"}}'
    changed(chain, lambda _: encode_record(header, [line]))

    with pytest.raises(StoreUnusable, match=r"1 of 3 records .* signature .* \(number 1\)"):
        opened(chain, seal=SIGNED, attempt=3)
    assert not hasattr(sys, "penstock_bomb")


@pytest.mark.parametrize(
    "run", [pytest.param("u-2", id="another run's"), pytest.param("u-1", id="another number's")]
)
def test_a_record_cannot_take_the_place_of_another(run: str) -> None:
    chain, other = written(SIGNED), MemoryChain()
    journal = opened(other, seal=SIGNED, run=run)
    for number in range(3):
        key = replace(KEY, occurrence=number)
        journal.record(key, state=Completed(data=number), epoch=lambda: "0")
    changed(chain, lambda _: other.read()[1 if run == "u-2" else 3])

    with pytest.raises(StoreUnusable, match="1 of 2 records"):
        opened(chain, seal=SIGNED, attempt=2)


def test_an_unsigned_journal_is_refused_where_a_key_is_asked_for() -> None:
    chain = written(Seal())

    with pytest.raises(StoreUnusable, match=r"2 of 2 records .* \(number 0, 1\)"):
        opened(chain, seal=SIGNED, attempt=2)


def test_a_forged_fence_stops_nobody_as_if_it_were_one() -> None:
    chain = MemoryChain()
    journal = opened(chain, seal=SIGNED)
    fence = Header(kind="fence", attempt=9, holder="x", batch="b", epoch=0)
    chain.put(1, encode_record(fence))

    with pytest.raises(StoreUnusable, match="1 of 2 records"):
        journal.record(KEY, state=Completed(data=1), epoch=lambda: "0")


def test_the_record_of_another_writer_is_shown_as_it_was() -> None:
    chain = written(ZLIB)
    sealed = SealedChain(chain, seal=ZLIB, run="u-1")

    with pytest.raises(ChainConflict) as caught:
        sealed.put(
            1, encode_record(Header(kind="entries", attempt=1, holder="p", batch="b", epoch=0))
        )

    assert decode_record(caught.value.found, number=1).lines[0].endswith(f'"json":"{SECRET}"}}')
