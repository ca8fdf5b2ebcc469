"""Results that are too large for a journal: files that its entries refer to.

A file is named after its content, so that no other run, and no earlier attempt, can put another
result in its place.
"""

from __future__ import annotations

import hashlib
import json
from typing import Protocol

from penstock.errors import UnreadableResult, UnstorableValue
from penstock.journal.entries import call_in
from penstock.sealing import present_seal

MIN_AWAY = 1024
"""Bytes from which on a reference is worth its own."""


class Files(Protocol):
    """Where the files are: what a flow has as its ``result_storage``."""

    def read_path(self, path: str) -> bytes:
        """Return a file's content."""

    def write_path(self, path: str, content: bytes) -> object:
        """Write a file, at once or not at all."""


class LargeResults:
    """The large results of one run."""

    def __init__(self, files: Files, *, run: str) -> None:
        self._files = files
        self._run = run

    def put_away(self, line: str, *, name: str) -> str:
        """Write what an entry holds to a file; return the entry that refers to it.

        Raises ``UnstorableValue`` where the file cannot be written.
        """
        _, key, text = line.split(" ", 2)
        content = text.encode()
        path = f"journals/{self._run}/{hashlib.sha256(content).hexdigest()}"
        seal = present_seal()
        try:
            self._files.write_path(path, seal.encoded(content))
        except Exception as error:
            raise UnstorableValue(
                f"The result of {name} takes {len(content):,} bytes and cannot be written to the "
                f"flow's result_storage ({type(error).__name__}: {error})."
            ) from error
        call = call_in(text)
        place = {} if call is None else {"call": call}
        codec = {"codec": seal.codec_name} if seal.codec else {}
        fields = {"name": name, **place, **codec, "path": path}
        return f"away {key} {json.dumps(fields, separators=(',', ':'))}"

    def fetch(self, reference: str) -> str:
        """Return what an entry held; raise ``UnreadableResult`` if it is gone or changed."""
        fields = json.loads(reference)
        path = str(fields["path"])
        try:
            stored = self._files.read_path(path)
            content = present_seal().decoded(stored, codec=fields.get("codec", ""))
        except Exception as error:
            raise _unreadable(reference, because=f"{type(error).__name__}: {error}") from error
        if hashlib.sha256(content).hexdigest() != path.rpartition("/")[2]:
            raise _unreadable(reference, because="its content has changed")
        return content.decode()


def fetched(reference: str, *, large: LargeResults | None) -> str:
    """Return what an entry held that refers to a file."""
    if large is None:
        raise _unreadable(reference, because="the flow has no result_storage any more")
    return large.fetch(reference)


def _unreadable(reference: str, *, because: str) -> UnreadableResult:
    fields = json.loads(reference)
    return UnreadableResult(
        f"The result of {fields['name']} is in the file {fields['path']} of the flow's "
        f"result_storage, and cannot be read ({because}). Bring it back.",
        name=str(fields["name"]),
    )
