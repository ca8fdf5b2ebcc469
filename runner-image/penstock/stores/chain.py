"""The chain of one run in a store: one file for each record, and none is ever changed or deleted.

So a number that was taken stays taken, which is all that fencing needs. That a long journal is read
fast, copies of some hundred records lie together in larger files, made behind the writer's back:
whatever becomes of those, the records themselves are there.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from itertools import accumulate
from typing import TypeVar

from penstock.errors import CorruptJournal, JournalError, StoreUnusable
from penstock.journal.chain import ChainConflict
from penstock.stores import Store
from penstock.stores.copies import Copier

T = TypeVar("T")

FIRST_DELAY, LAST_DELAY = 0.2, 15.0
PATIENCE = 120.0
"""Seconds for which refusals are waited out, and, by a new run, a store that does not answer."""

_RECORD = re.compile(r"\d{7,}")
_COPY = re.compile(r"(\d{7,})-(\d{7,})")
log = logging.getLogger("penstock.journal")


class StoreChain:
    """The chain of one run. A put waits for the store as long as it takes."""

    is_remote = True

    def __init__(
        self,
        store: Store,
        *,
        folder: str,
        patience: float = float("inf"),
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._folder = folder
        self._patience = patience
        self._wait = wait
        self._copier = Copier(self._copy)
        self._single: dict[int, bytes] = {}
        """What was read one by one; it is copied by whoever writes on."""

    def read(self) -> list[bytes]:
        """Return all records, in copies of many where there are some."""
        self._insist(self._store.check, patience=self._patience)
        return self._insist(self._read, patience=self._patience)

    def read_only(self) -> list[bytes]:
        """Return all records of a journal that is not gone on with: the store is not written."""
        return self._insist(self._read, patience=self._patience)

    def put(self, number: int, record: bytes) -> None:
        """Store a record under a number that has none; else raise ``ChainConflict``."""
        path = self._path_of(number)
        if not self._insist(lambda: self._store.put_if_absent(path, record)):
            (found,) = self._insist(lambda: self._store.read([path]))
            raise ChainConflict(number, found=found)
        for each, content in self._single.items():
            self._copier.add(each, content)
        self._single = {}
        self._copier.add(number, record)

    def finish(self, *, within: float) -> bool:
        """Copy what remains, at the end of a run; return whether it was done in time."""
        return self._copier.finish(within=within)

    def close(self) -> None:
        """Stop after the copies that have begun, without waiting for them."""
        self._copier.close()

    def _read(self) -> list[bytes]:
        records = self._copied()
        copied = len(records)
        names = {
            int(name)
            for name in self._store.names(f"{self._folder}/records")
            if _RECORD.fullmatch(name)
        }
        last = max(names, default=-1)
        missing = next((each for each in range(last + 1) if each not in names), None)
        if missing is not None or copied > last + 1:
            raise CorruptJournal(
                f"Record {last + 1 if missing is None else missing} of the journal in "
                f"{self._folder} is missing: somebody has deleted it. Bring it back, or start a "
                "new run."
            )
        single = range(copied, last + 1)
        found = self._store.read([self._path_of(number) for number in single])
        self._single = dict(zip(single, found, strict=True))
        return records + found

    def _copied(self) -> list[bytes]:
        """Return the records that copies hold, from number 0 to the first that is in none."""
        spans = [
            (int(found[1]), int(found[2]))
            for name in self._store.names(f"{self._folder}/copies")
            if (found := _COPY.fullmatch(name))
        ]
        chosen: list[tuple[int, int]] = []
        end = 0
        while reaching := [each for each in spans if each[0] <= end <= each[1]]:
            chosen.append(max(reaching, key=lambda each: each[1]))
            end = chosen[-1][1] + 1
        records: list[bytes] = []
        paths = [self._path_of_copy(*span) for span in chosen]
        for (first, last), content in zip(chosen, self._store.read(paths), strict=True):
            copies = _unpacked(content)
            if len(copies) != last + 1 - first:
                break  # the records themselves are read
            records += copies[len(records) - first :]
        return records

    def _copy(self, first: int, records: list[bytes]) -> None:
        path = self._path_of_copy(first, first + len(records) - 1)
        self._store.put_if_absent(path, _packed(records))

    def _path_of(self, number: int) -> str:
        return f"{self._folder}/records/{number:07}"

    def _path_of_copy(self, first: int, last: int) -> str:
        return f"{self._folder}/copies/{first:07}-{last:07}"

    def _insist(self, request: Callable[[], T], *, patience: float = float("inf")) -> T:
        """Repeat a request until it is granted; stop where no repetition would help."""
        delay, waited = FIRST_DELAY, 0.0
        while True:
            try:
                return request()
            except JournalError:
                raise
            except Exception as error:
                is_refused = isinstance(error, PermissionError)
                if waited >= (PATIENCE if is_refused else patience):
                    raise StoreUnusable(
                        f"The journal's store could not be used for {waited:.0f} s. Its last "
                        f"answer: {type(error).__name__}: {error}"
                    ) from error
                if not waited:
                    log.warning("The run waits for its journal. The last answer: %r", error)
            self._wait(delay)
            waited += delay
            delay = min(2 * delay, LAST_DELAY)


def _packed(records: list[bytes]) -> bytes:
    sizes = json.dumps([len(record) for record in records], separators=(",", ":"))
    return b"\n".join((sizes.encode(), b"".join(records)))


def _unpacked(content: bytes) -> list[bytes]:
    """Return the records of a copy; none of one that is broken."""
    head, _, body = content.partition(b"\n")
    try:
        sizes = json.loads(head)
        ends = list(accumulate(sizes))
    except (ValueError, TypeError):
        return []
    if not ends or ends[-1] != len(body):
        return []
    return [body[end - size : end] for size, end in zip(sizes, ends, strict=True)]
