r"""One file for each key, so that whoever shares the file system shares the results.

    penstock-result/1
    {"key": "…", "serializer": "json", "expires_at": null, "sha256": "…"}
    <payload>

No index: the store needs neither locks nor listings, only that a file is replaced as a whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime

from penstock.errors import UnreadableValue
from penstock.filesystems import FileSystem
from penstock.shelves.stored import Stored, checksum_of, verified

MAGIC = b"penstock-result/1"
_PLAIN_KEY = re.compile(r"\w[\w.=,@+-]*(/\w[\w.=,@+-]*)*", re.ASCII)


class FileShelf:
    """Results as files of one file system."""

    def __init__(self, filesystem: FileSystem) -> None:
        self._filesystem = filesystem

    def read(self, key: str) -> Stored | None:
        """Return what lies under ``key``; raise ``UnreadableValue`` where it is broken."""
        try:
            content = self._filesystem.read_path(path_of(key))
        except FileNotFoundError:
            return None
        return _parsed(content)

    def write(self, key: str, *, stored: Stored) -> None:
        """Put ``stored`` in place of what was there."""
        expires_at = stored.expires_at
        header = {
            "key": key,
            "serializer": stored.serializer,
            "expires_at": expires_at.isoformat() if expires_at else None,
            "sha256": checksum_of(stored.payload),
        }
        parts = (MAGIC, json.dumps(header).encode(), stored.payload)
        self._filesystem.write_path(path_of(key), b"\n".join(parts))


def path_of(key: str) -> str:
    """Return a key's file: its own name where every store takes that, else a digest of it."""
    if len(key) <= 200 and _PLAIN_KEY.fullmatch(key):
        return f"{key}.result"
    return f"{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}.digest.result"


def _parsed(content: bytes) -> Stored:
    magic, _, rest = content.partition(b"\n")
    head, _, payload = rest.partition(b"\n")
    if magic != MAGIC:
        raise UnreadableValue("its file is none of Penstock's results, or of a later version.")
    try:
        header = json.loads(head)
        checksum, serializer = str(header["sha256"]), str(header["serializer"])
        expires_at = header["expires_at"] and datetime.fromisoformat(header["expires_at"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableValue(f"the head of its file is broken ({error!r}).") from error
    return Stored(
        serializer=serializer,
        payload=verified(payload, checksum=checksum),
        expires_at=expires_at,
    )
