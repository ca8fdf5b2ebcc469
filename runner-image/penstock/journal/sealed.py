"""A chain whose records are sealed: their entries go through a codec, and all bears a signature.

The header stays readable: by it a writer knows whom it has met. The signature is over the run and
the number as well, so that no record can take the place of another.
"""

from __future__ import annotations

import base64
import hmac
import json

from penstock.errors import StoreUnusable, UnreadableValue
from penstock.journal.chain import Chain, ChainConflict
from penstock.journal.records import body_of, compact, whole
from penstock.sealing import Seal


class SealedChain:
    """The chain of one run. ``run`` is a name that no other run has had."""

    def __init__(self, chain: Chain, *, seal: Seal, run: str) -> None:
        self._chain = chain
        self._seal = seal
        self._run = run

    @property
    def is_remote(self) -> bool:
        """Whether a put takes milliseconds."""
        return self._chain.is_remote

    def read(self) -> list[bytes]:
        """Return all records; raise ``StoreUnusable`` if there are some that are not ours."""
        records = self._chain.read()
        foreign = [number for number, raw in enumerate(records) if not self._is_ours(number, raw)]
        if foreign:
            raise StoreUnusable(_refusal(foreign, of=len(records)))
        return [self._opened(number, raw) for number, raw in enumerate(records)]

    def put(self, number: int, record: bytes) -> None:
        """Store a record under a number that has none; else raise ``ChainConflict``."""
        try:
            self._chain.put(number, self._closed(number, record))
        except ChainConflict as conflict:
            if not self._is_ours(number, conflict.found):
                raise StoreUnusable(_refusal([number], of=number + 1)) from conflict
            raise ChainConflict(number, found=self._opened(number, conflict.found)) from None

    def _closed(self, number: int, record: bytes) -> bytes:
        head, _, lines = body_of(record, number=number).partition(b"\n")
        fields = json.loads(head)
        if self._seal.codec is not None and lines:
            fields["codec"] = self._seal.codec_name
            lines = base64.b64encode(self._seal.encoded(lines))
        if self._seal.key:
            fields["mac"] = self._mac(number, fields, lines)
        return whole(compact(fields).encode(), lines)

    def _is_ours(self, number: int, raw: bytes) -> bool:
        if not self._seal.key:
            return True
        head, _, lines = body_of(raw, number=number).partition(b"\n")
        try:
            fields = dict(json.loads(head))
        except (ValueError, TypeError):
            return False
        mac = str(fields.pop("mac", ""))
        return hmac.compare_digest(mac.encode(), self._mac(number, fields, lines).encode())

    def _opened(self, number: int, raw: bytes) -> bytes:
        head, _, lines = body_of(raw, number=number).partition(b"\n")
        fields = json.loads(head)
        fields.pop("mac", None)
        codec = fields.pop("codec", "")
        if codec:
            try:
                lines = self._seal.decoded(base64.b64decode(lines), codec=codec)
            except UnreadableValue as error:
                raise StoreUnusable(
                    f"Record {number} of the journal cannot be read: {error}"
                ) from error
        return whole(compact(fields).encode(), lines)

    def _mac(self, number: int, fields: dict[str, object], lines: bytes) -> str:
        head = compact(fields).encode()
        return self._seal.mac(self._run.encode(), b"%d" % number, head, lines).hex()


def _refusal(foreign: list[int], *, of: int) -> str:
    shown = ", ".join(map(str, foreign[:10])) + (", …" if len(foreign) > 10 else "")
    return (
        f"{len(foreign)} of {of} records of the journal do not bear the signature of this store's "
        f"key (number {shown}): somebody else has written them, or they were written with another "
        "key. Nothing of them was read. Bring the key back, or the records."
    )
