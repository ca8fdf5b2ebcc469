"""Writing to a run's chain: who holds it, in which order, and what becomes of who held it before.

An attempt begins with its fence. From then on the attempt before meets a conflict when it writes,
and so do we once the next attempt has begun: one writer (G3), whatever the store.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from penstock.errors import JournalError, JournalFenced, StoreUnusable
from penstock.journal.behind import Behind
from penstock.journal.chain import MAX_RECORD_BYTES, Chain, ChainConflict
from penstock.journal.commits import Commits
from penstock.journal.records import Header, Record, decode_record, encode_record

WINDOW = 0.002
"""Seconds that a remote write waits for those who were stored together with its writer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who wants to write: the attempt of the run, and the process that believes to be it."""

    attempt: int
    process: str

    def wrote(self, header: Header) -> bool:
        """Tell whether a record is of this holder."""
        return (header.attempt, header.holder) == (self.attempt, self.process)


class Writer:
    """Puts entries on the chain behind a fence, from many threads."""

    def __init__(
        self,
        chain: Chain,
        *,
        records: Sequence[Record],
        when_fenced: Callable[[], None],
        when_stored: Callable[[list[str]], None],
    ) -> None:
        self._chain = chain
        self._header = records[-1].header
        self._number = len(records)
        self._when_fenced = when_fenced
        self._when_stored = when_stored
        self._commits = Commits(self._store, window=WINDOW if chain.is_remote else 0.0)
        self._behind: Behind | None = None
        self._beats: Behind | None = None
        self._lost: BaseException | None = None

    @property
    def epoch(self) -> int:
        """How often the run was begun anew after it had failed."""
        return self._header.epoch

    @property
    def is_remote(self) -> bool:
        """Whether storing takes milliseconds."""
        return self._chain.is_remote

    def run_ahead(self) -> None:
        """Store what is not wanted at once behind the run's back from now on."""
        self._behind = Behind(self._commits)

    def holds_up(self) -> bool:
        """Tell whether to add an entry now takes milliseconds."""
        return self.is_remote and (self._behind is None or self._behind.is_full())

    def flush(self) -> None:
        """Return once all that was added is stored; raise what kept it from being stored."""
        for behind in (self._behind, self._beats):
            if behind is not None:
                behind.flush()
        self.check()

    def check(self) -> None:
        """Raise what keeps anything from being stored any more."""
        if self._lost is not None:
            raise self._lost

    def add(self, lines: Sequence[str], *, at_once: bool) -> None:
        """Store lines; ``at_once`` whatever may follow later, and all that was added before."""
        if self._behind is not None and not at_once:
            self._behind.add(lines)
        else:
            batch = [self._commits.add(line) for line in lines][-1]
            self._commits.await_stored(batch)
        self.check()

    def add_if_quick(self, line: str) -> bool:
        """Store a line behind the run's back, unless the store is too slow for that."""
        self.check()
        self._beats = beats = self._behind or self._beats or Behind(self._commits)
        if beats.is_full():
            return False
        beats.add((line,))
        return True

    def _store(self, lines: list[str]) -> None:
        try:
            for part in parts_of(lines, size=MAX_RECORD_BYTES):
                header = replace(self._header, kind="entries", batch=uuid.uuid4().hex)
                self._put(header, part)
            self._when_stored(lines)
        except BaseException as error:
            if self._behind is not None or isinstance(error, StoreUnusable | JournalFenced):
                # Nobody may wait for it, or it lasts: the next who writes is told.
                self._lost = error
            raise

    def _put(self, header: Header, lines: Sequence[str]) -> None:
        record = encode_record(header, lines)
        while True:
            try:
                self._chain.put(self._number, record)
            except ChainConflict as conflict:
                found = decode_record(conflict.found, number=self._number).header
                if found.batch != header.batch and not self._is_own(found):
                    self._stop(found)
                self._number += 1
                if found.batch != header.batch:
                    continue  # an earlier put of ours whose answer was lost
            except JournalFenced:  # the store knows it from elsewhere
                self._when_fenced()
                raise
            except JournalError:
                raise
            except Exception as error:
                message = f"The run's journal cannot be written: {error}"
                raise JournalError(message) from error
            else:
                self._number += 1
            return

    def _is_own(self, found: Header) -> bool:
        return (found.attempt, found.holder) == (self._header.attempt, self._header.holder)

    def _stop(self, found: Header) -> None:
        self._when_fenced()
        raise _taken_over(found)


def parts_of(lines: Sequence[str], *, size: int) -> Iterator[list[str]]:
    """Split lines into records that are not too large; a single line may be."""
    part: list[str] = []
    taken = 0
    for line in lines:
        if part and taken + len(line) > size:
            yield part
            part, taken = [], 0
        part.append(line)
        taken += len(line) + 1
    if part:
        yield part


def fence(
    chain: Chain, records: list[Record], *, holder: Holder, anew: bool, lines: tuple[str, ...]
) -> None:
    """Have a chain end with the holder's fence, and the records of it that were read.

    With the fence, ``lines`` are stored. Raises ``JournalFenced`` if a later attempt has begun.
    """
    while True:
        latest = records[-1].header if records else None
        if latest is not None and latest.attempt >= holder.attempt and not holder.wrote(latest):
            raise _taken_over(latest)
        header = Header(
            kind="fence",
            attempt=holder.attempt,
            holder=holder.process,
            batch=uuid.uuid4().hex,
            epoch=latest.epoch + anew if latest else 0,
        )
        try:
            chain.put(len(records), encode_record(header, lines))
        except ChainConflict as conflict:
            records.append(decode_record(conflict.found, number=len(records)))
            if records[-1].header.batch == header.batch:
                return  # our own, whose answer was lost
            # else the attempt before is still writing, or a later one has begun
        else:
            records.append(Record(header, lines))
            return


def _taken_over(found: Header) -> JournalFenced:
    return JournalFenced(
        f"Attempt {found.attempt} of the run, {found.holder}, has taken the journal over; this "
        "one stops."
    )
