"""The form of a record: a checksum, a header that says who wrote it, and one line per entry.

Text, so that a person can read a journal; UTF-8. A record that is torn or changed is refused, not
skipped: what it held may be the result of a task that must not run again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from penstock.errors import CorruptJournal, StoreUnusable

_MAGIC = "penstock-journal/1"

compact = json.JSONEncoder(separators=(",", ":")).encode
"""Writes JSON without spaces; ``json.dumps`` would make an encoder each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Who wrote a record, and why."""

    kind: Literal["fence", "entries"]
    """A fence is the first record of an attempt: it keeps every older one from writing on."""
    attempt: int
    holder: str
    """Names the process, so that two that believe to be the same attempt tell each other apart."""
    batch: str
    """Unique: by it a writer knows a record of its own whose answer was lost."""
    epoch: int
    """How often the run was begun anew after it had failed; failures hold within their epoch."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record, its lines unread."""

    header: Header
    lines: tuple[str, ...] = ()


def encode_record(header: Header, lines: Sequence[str] = ()) -> bytes:
    """Return the bytes to store."""
    head = {name: getattr(header, name) for name in Header.__slots__}
    return whole(compact(head).encode(), "\n".join(lines).encode())


def decode_record(raw: bytes, *, number: int) -> Record:
    """Return what was stored; raise ``CorruptJournal`` unless it is whole."""
    head, *lines = body_of(raw, number=number).decode().split("\n")
    fields = json.loads(head)
    fields.pop("mac", None)
    if codec := fields.pop("codec", ""):
        raise StoreUnusable(
            f"Record {number} of the journal was written through the codec {codec}, and none is "
            f"set here. Set PENSTOCK_CODEC={codec}."
        )
    return Record(Header(**fields), tuple(lines))


def records_in(chain: Iterable[bytes]) -> list[Record]:
    """Return all records of a journal; raise ``CorruptJournal`` for a damaged one."""
    return [decode_record(raw, number=number) for number, raw in enumerate(chain)]


def lines_of(records: Iterable[Record]) -> list[str]:
    """Return the entries of records."""
    return [line for record in records for line in record.lines]


def lines_in(chain: Iterable[bytes]) -> list[str]:
    """Return all entries of a journal; raise ``CorruptJournal`` for a damaged record."""
    return lines_of(records_in(chain))


def whole(head: bytes, lines: bytes) -> bytes:
    """Return a record made of its header and its lines."""
    body = b"\n".join((head, lines)) if lines else head
    return f"{_MAGIC} {sha256(body).hexdigest()}\n".encode() + body


def body_of(raw: bytes, *, number: int) -> bytes:
    """Return header and lines of a record; raise ``CorruptJournal`` unless it is whole."""
    start, _, body = raw.partition(b"\n")
    magic, _, checksum = start.decode("ascii", "replace").partition(" ")
    if magic != _MAGIC:
        raise CorruptJournal(
            f"Record {number} of the journal begins with {magic[:40]!r}, not with {_MAGIC!r}: it "
            "is damaged, or a newer version of Penstock wrote it. Resume with that version."
        )
    if sha256(body).hexdigest() != checksum:
        raise CorruptJournal(
            f"Record {number} of the journal does not match its checksum: it is damaged. Restore "
            "it from a backup, or start a new run."
        )
    return body
