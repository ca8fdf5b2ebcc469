"""A serialised result, and what goes with it wherever it is stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from penstock.errors import UnreadableValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A value as bytes."""

    serializer: str
    """The type of the serializer that wrote it."""
    payload: bytes
    expires_at: datetime | None


class Shelf(Protocol):
    """A store of bytes by key, whose writers may race: the last one wins, as a whole."""

    def read(self, key: str) -> Stored | None:
        """Return what lies under ``key``; raise ``UnreadableValue`` where it is broken."""

    def write(self, key: str, *, stored: Stored) -> None:
        """Put ``stored`` in place of what was there."""


def checksum_of(payload: bytes) -> str:
    """Return what tells whether a payload is whole."""
    return hashlib.sha256(payload).hexdigest()


def verified(payload: bytes, *, checksum: str) -> bytes:
    """Return the payload if it is what was written."""
    if checksum_of(payload) != checksum:
        raise UnreadableValue("its checksum is wrong: it was written in part, or changed since.")
    return payload
