"""The durable journal of one run: what was stored, and the way to store more.

An attempt begins with its fence. From then on the attempt before meets a conflict when it writes,
and so do we once the next attempt has begun: one writer (G3), whatever the store.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from penstock.engine.identity import CallKey
from penstock.engine.past import Past, Recorded
from penstock.engine.retry import AttemptsUsed
from penstock.errors import (
    JournalError,
    JournalFenced,
    StoreUnusable,
    UnreadableResult,
    UnstorableValue,
)
from penstock.journal.behind import Behind
from penstock.journal.chain import MAX_RECORD_BYTES, Chain, ChainConflict
from penstock.journal.commits import Commits
from penstock.journal.entries import (
    attempts_in,
    beat_line,
    done_line,
    due_line,
    epoch_in,
    failed_line,
    forgotten_line,
    given_line,
    left_line,
    line_of_run,
    moment_in,
    note_line,
    recorded_in,
    retry_line,
    split_line,
    start_line,
    state_in,
    value_in,
    weight_of,
)
from penstock.journal.figures import Figures
from penstock.journal.held import Held
from penstock.journal.large import MIN_AWAY, Files, LargeResults, fetched
from penstock.journal.protocol import Epoch
from penstock.journal.records import Header, Record, decode_record, encode_record
from penstock.journal.reruns import Origin, Rewind, effective, kept, origin_in, own_lines
from penstock.states import State, StateType

Given = tuple[tuple[object, ...], dict[str, object]]
ADOPTED_BYTES = 128 * 1024
"""What one record holds of another run's entries: small enough for any store, escapes included."""
MAX_BEAT = 1024
"""Characters of a heartbeat's entry: an hour of them is not to fill the journal."""
WINDOW = 0.002
"""Seconds that a remote write waits for those who were stored together with its writer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who wants to write: the attempt of the run, and the process that believes to be it."""

    attempt: int
    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many bytes a journal takes, as they are stored; ``None``: any number."""

    result: int | None = None
    """Of one value."""
    run: int | None = None
    """Of all values of the run."""
    says: str = ""
    """Why no result is taken at all."""


class RunJournal:
    """The engine's journal over a chain. Made by ``open_journal``."""

    is_durable = True

    def __init__(
        self,
        chain: Chain,
        *,
        header: Header,
        records: Sequence[Record],
        when_fenced: Callable[[], None],
        limits: Limits,
        past: Past | None,
    ) -> None:
        self.past = past
        self._limits = limits
        self._large: LargeResults | None = None
        self.figures = Figures(
            size=sum(weight_of(line) for record in records for line in record.lines)
        )
        for record in records:
            self.figures.count(record.lines)
        self._chain = chain
        self._header = header
        self._number = len(records)
        self._when_fenced = when_fenced
        self.when_stuck: Callable[[UnreadableResult | StoreUnusable], None] = lambda _: None
        """Called by the thread that meets an entry which cannot be read any more, or a store that
        takes none: somebody has to mend it."""
        self.when_new: Callable[[], None] = lambda: None
        """Called by the thread that is about to note something that was not noted before."""
        self._fenced: JournalFenced | None = None
        self._commits = Commits(self._store, window=WINDOW if chain.is_remote else 0.0)
        self._behind: Behind | None = None
        self._beats: Behind | None = None
        self._lost: BaseException | None = None
        self._held = Held(effective(_lines_of(records)))

    @property
    def is_remote(self) -> bool:
        """Whether storing takes milliseconds."""
        return self._chain.is_remote

    @property
    def large(self) -> LargeResults | None:
        """Where results are that are over the limits, if there is a place for them."""
        return self._large

    def run_ahead(self) -> None:
        """Store results and failures behind the run's back from now on, within a window."""
        self._behind = Behind(self._commits)

    def holds_up(self) -> bool:
        """Tell whether to record a result now takes milliseconds."""
        return self.is_remote and (self._behind is None or self._behind.is_full())

    def flush(self) -> None:
        """Return once all that was recorded is stored; raise what kept it from being stored."""
        for behind in (self._behind, self._beats):
            if behind is not None:
                behind.flush()
        self._check()

    def keep_large_in(self, files: Files, *, run: str) -> None:
        """Write results there that are over the limits, and read them from there."""
        self._large = LargeResults(files, run=run)

    def find(self, key: CallKey, *, epoch: Epoch) -> State[object] | AttemptsUsed | None:
        """Return what the call came to, or how far it got."""
        with self._reading():
            return self._found(key.digest_of_path(), epoch=epoch)

    def _found(self, name: str, *, epoch: Epoch) -> State[object] | AttemptsUsed | None:
        held = self._held
        forgotten = held.text("forgotten", name)
        holds = forgotten is None or epoch_in(forgotten) == self._epoch(epoch)
        if holds and (done := held.text("done", name)):
            return state_in(done, kind=StateType.COMPLETED)
        if holds and (away := held.text("away", name)):
            return state_in(fetched(away, large=self._large), kind=StateType.COMPLETED)
        failed, retry = held.text("failed", name), held.text("retry", name)
        if failed and (epoch_in(failed) == self._epoch(epoch) or held.text("start", name)):
            return state_in(failed, kind=StateType.FAILED)  # what begins once fails once
        if retry and epoch_in(retry) == self._epoch(epoch):
            return attempts_in(retry)
        return None

    def record(
        self,
        key: CallKey,
        *,
        state: State[object],
        epoch: Epoch,
        left: Sequence[object] = (),
    ) -> State[object]:
        """Store a final state, and return it as it will be found."""
        if state.is_completed():
            line, entry = self._done(key, state)
        elif state.is_failed() and isinstance(state.data, Exception):
            try:
                entry = line = failed_line(key, state, epoch=self._epoch(epoch))
            except UnstorableValue:
                return state  # it holds for as long as the process; the call then runs again
        else:
            return state
        lines = (left_line(key, left), entry) if left else (entry,)
        self._append(*lines, at_once=not key.scope)
        return self._as_found(line, state)

    def _done(self, key: CallKey, state: State[object]) -> tuple[str, str]:
        """Return the entry of a result, and what is stored in its place."""
        try:
            line = done_line(key, state)
            return line, self._within_limits(line, key=key)
        except UnstorableValue:
            self.figures.miss(key.identity)
            raise

    def left(self, key: CallKey) -> Sequence[object]:
        """Return what a finished call had left; of the root, what all had."""
        own = self._held.text("left", key.digest_of_path())
        lines = ([own] if own else []) if key.scope else [*self._held.texts("left")]
        found = [each for line in lines for each in cast("list[dict[str, object]]", value_in(line))]
        return list({each["id"]: each for each in found}.values())

    def record_attempt(
        self,
        key: CallKey,
        *,
        used: AttemptsUsed,
        epoch: Epoch,
        beats: Sequence[object] = (),
    ) -> None:
        """Store that an attempt failed, before the pause that follows it, and how far it came."""
        line = retry_line(key, used, epoch=self._epoch(epoch))
        lines: list[str] = []
        with suppress(UnstorableValue):
            lines = [self._beat_line(key.digest_of_path(), each) for each in beats]
        self._append(*lines, line)

    def deadline(self, key: CallKey, *, due: datetime, epoch: Epoch) -> datetime:
        """Return the moment by which a call has to end, as it was stored in this epoch."""
        stored, present = self._held.text("due", key.digest_of_path()), self._epoch(epoch)
        if stored is not None and epoch_in(stored) == present:
            return moment_in(stored)
        self._append(due_line(key, due, epoch=present), at_once=True)
        return due

    def record_beat(self, key: CallKey, *, payload: object) -> None:
        """Store how far a call is, behind the run's back; drop it if the store is too slow."""
        line = self._beat_line(key.digest_of_path(), payload)
        self._check()
        beats = self._behind or self._beats or Behind(self._commits)
        self._beats = beats
        if not beats.is_full():
            beats.add((line,))
            self._held.add(line)

    def _beat_line(self, name: str, payload: object) -> str:
        line = beat_line(name, payload)
        if len(line) > MAX_BEAT:
            raise UnstorableValue(
                f"Its payload takes {len(line):,} characters, and the journal takes {MAX_BEAT:,}. "
                "Let it be a position, not the work itself."
            )
        return line

    def last_beat(self, key: CallKey) -> object:
        """Return how far a call was."""
        stored = self._held.text("beat", key.digest_of_path())
        return None if stored is None else value_in(stored)

    def noted(self, key: CallKey) -> object:
        """Return the value noted under the key; ``None`` if there is none."""
        stored = self._held.text("note", key.digest_of_path())
        if stored is None:
            return None
        if self.past is not None:
            self.past.meet(key)
        with self._reading():
            return value_in(stored)

    def note(self, key: CallKey, *, make: Callable[[], object]) -> object:
        """Return the value noted under the key; if there is none, store what is made."""
        noted = self.noted(key)
        if noted is not None:
            return noted
        if self.past is not None:
            self.past.miss(key)
        self.when_new()
        value = make()
        self._append(note_line(key, value), at_once=True)
        return value

    def notes(self, name: str) -> list[object]:
        """Return the values of all notes of a name, in the order of their storing."""
        head = f'{{"name":{json.dumps(name)},'
        return [value_in(text) for text in self._held.texts("note") if text.startswith(head)]

    def forget(self, key: CallKey, *, epoch: Epoch | None = None) -> None:
        """Store that what the call did was undone: made again, it is run again.

        With an ``epoch``, whoever takes that one up again finds what came of the call.
        """
        until = None if epoch is None else self._epoch(epoch)
        for each in (key, key.beside("values")):
            if self._held.knows(each.digest_of_path()):
                self._append(forgotten_line(each, epoch=until))

    def is_undone(self, key: CallKey) -> bool:
        """Tell whether a call whose result was found was undone."""
        return self._held.text("forgotten", key.digest_of_path()) is not None

    def claim(self, key: CallKey) -> None:
        """Note that a call of a task that begins at most once is made under this key."""
        self._held.claim(key.digest_of_path())

    def begin(self, key: CallKey) -> bool:
        """Store that a call begins, unless it may have begun before."""
        name, scope = key.digest_of_path(), key.digest_of_scope()
        if self._held.may_be_interrupted(name, scope=scope, name=key.identity):
            return False
        self._append(start_line(key), at_once=True)
        return True

    def release(self, key: CallKey) -> None:
        """Hold what is stored of a call no longer in memory: nobody asks in this process."""
        self._held.release(key.digest_of_path())

    def given(self) -> Given | None:
        """Return what the run was started with; ``None`` if it is new."""
        return self._given("given")

    def inherited(self) -> Given | None:
        """Return what the run before was started with, if this one is given something else."""
        return self._given("inherited")

    def _given(self, kind: str) -> Given | None:
        stored = self._held.text(kind, "-")
        if stored is None:
            return None
        with self._reading():
            args, kwargs = cast("tuple[list[object], dict[str, object]]", value_in(stored))
        return tuple(args), kwargs

    def record_given(
        self, args: tuple[object, ...], kwargs: dict[str, object], *, code: str | None = None
    ) -> Given:
        """Store what the run is started with, and return it as every later attempt finds it."""
        lines = [] if code is None else [line_of_run("code", code)]
        self._append(*lines, given_line(args, kwargs), at_once=True)
        given = self.given()
        assert given is not None, "it was just stored"
        return given

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except UnreadableResult as unreadable:
            self.when_stuck(unreadable)
            raise

    def meet_code(self, digest: str) -> bool:
        """Store what code the run goes on with; tell whether it was other code before."""
        stored = self._held.text("code", "-")
        before = None if stored is None else value_in(stored)
        if before != digest:
            self._append(line_of_run("code", digest))
        self.figures.code_changed = before not in (None, digest)
        return self.figures.code_changed

    def origin(self) -> Origin | None:
        """Return which run this one began with, once all is there that it keeps of it."""
        stored = self._held.text("origin", "-")
        return None if stored is None else origin_in(stored)

    def adopt(self, lines: Sequence[str], *, origin: Origin) -> None:
        """Store what the run keeps of another one; go on with it where it was broken off."""
        missing = [line for line in lines if not self._has(line)]
        for part in _parts(missing, size=ADOPTED_BYTES):
            self._append(*part, at_once=True)
        self._append(origin.line(), at_once=True)

    def _has(self, line: str) -> bool:
        kind, key, text = split_line(line)
        return self._held.text(kind, key) == text

    def _epoch(self, epoch: Epoch) -> str:
        return f"{self._header.epoch}.{epoch()}"

    def _as_found(self, line: str, state: State[object]) -> State[object]:
        if state.is_completed() and type(state.data) in _UNCHANGED:
            return state
        if not state.is_completed():
            return state  # the exception itself, with its traceback
        _, _, text = split_line(line)
        found = state_in(text, kind=state.type)
        return State(
            state.type,
            name=state.name,
            message=state.message,
            data=found.data,
            timestamp=state.timestamp,
        )

    def _within_limits(self, line: str, *, key: CallKey) -> str:
        """Return the entry to store: the line, or one that refers to where it was put away."""
        problem = self._problem_of(line, key=key)
        if problem is None:
            return line
        if self._large is not None and len(line) >= MIN_AWAY:
            return self._large.put_away(line, name=key.identity)
        raise UnstorableValue(f"{problem} Return less, or give the flow a result_storage.")

    def _problem_of(self, line: str, *, key: CallKey) -> str | None:
        limits = self._limits
        if limits.says:
            return f"The result of {key.identity} is not stored: {limits.says}"
        if limits.result is not None and len(line) > limits.result:
            return (
                f"The result of {key.identity} takes {len(line):,} bytes, and the journal takes "
                f"{limits.result:,} of one result."
            )
        if limits.run is not None and self.figures.size + weight_of(line) > limits.run:
            return (
                f"The results of this run take more than the {limits.run:,} bytes that its "
                "journal takes."
            )
        return None

    def _append(self, *lines: str, at_once: bool = False) -> None:
        """Store lines; ``at_once`` whatever may follow later, and all that was recorded before."""
        try:
            self._add(lines, at_once=at_once)
        except StoreUnusable as unusable:
            self.when_stuck(unusable)
            raise

    def _add(self, lines: Sequence[str], *, at_once: bool) -> None:
        self._check()
        self.figures.size += sum(map(weight_of, lines))
        if self._behind is not None and not at_once:
            self._behind.add(lines)
        else:
            batch = [self._commits.add(line) for line in lines][-1]
            self._commits.await_stored(batch)
        self._check()
        for line in lines:
            self._held.add(line)

    def _check(self) -> None:
        if self._fenced is not None:
            raise self._fenced
        if self._lost is not None:
            raise self._lost

    def _store(self, lines: list[str]) -> None:
        try:
            for part in _parts(lines, size=MAX_RECORD_BYTES):
                header = replace(self._header, kind="entries", batch=uuid.uuid4().hex)
                self._put(header, part)
            self.figures.count(lines)
        except BaseException as error:
            if self._behind is not None or isinstance(error, StoreUnusable):
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
            except JournalFenced as fenced:  # the store knows it from elsewhere
                self._fenced = fenced
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
        self._fenced = _taken_over(found)
        self._when_fenced()
        raise self._fenced


_UNCHANGED = frozenset({type(None), bool, int, float, str})
"""Types whose values come back from a store as what they are."""


def _parts(lines: Sequence[str], *, size: int) -> Iterator[list[str]]:
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


def _lines_of(records: Iterable[Record]) -> list[str]:
    return [line for record in records for line in record.lines]


def _is_of(header: Header, holder: Holder) -> bool:
    return (header.attempt, header.holder) == (holder.attempt, holder.process)


def _taken_over(found: Header) -> JournalFenced:
    return JournalFenced(
        f"Attempt {found.attempt} of the run, {found.holder}, has taken the journal over; this "
        "one stops."
    )


def open_journal(
    chain: Chain,
    *,
    holder: Holder,
    anew: bool = False,
    rewind: Rewind | None = None,
    when_fenced: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
) -> RunJournal:
    """Read a run's journal and fence it for this attempt.

    ``anew`` begins an epoch: what had failed for good may be tried again. ``rewind`` drops part of
    what is stored, in the same breath; it raises ``RerunImpossible``. ``when_fenced`` is
    called by the thread that learns that a later attempt writes. Raises ``JournalFenced`` where
    one does already, or another process is this attempt; ``CorruptJournal`` for a damaged record.
    """
    records = [decode_record(raw, number=number) for number, raw in enumerate(chain.read())]
    lines = () if rewind is None else (rewind.line(),)
    if rewind is not None:
        kept(_lines_of(records), rewind=rewind)
    while True:
        latest = records[-1].header if records else None
        if latest is not None and latest.attempt >= holder.attempt and not _is_of(latest, holder):
            raise _taken_over(latest)
        epoch = latest.epoch + anew if latest else 0
        fence = Header(
            kind="fence",
            attempt=holder.attempt,
            holder=holder.process,
            batch=uuid.uuid4().hex,
            epoch=epoch,
        )
        try:
            chain.put(len(records), encode_record(fence, lines))
        except ChainConflict as conflict:
            records.append(decode_record(conflict.found, number=len(records)))
            if records[-1].header.batch != fence.batch:
                continue  # the attempt before is still writing, or a later one has begun
        else:
            records.append(Record(fence, lines))
        return RunJournal(
            chain,
            header=fence,
            records=records,
            when_fenced=when_fenced,
            limits=limits or Limits(),
            past=_past_in(own_lines(effective(_lines_of(records)))),
        )


def _past_in(lines: Iterable[str]) -> Past | None:
    """Return what earlier launches recorded, up to what was undone; ``None`` in a new run."""
    recorded: dict[str, Recorded] = {}
    for line in lines:
        kind, key, text = split_line(line)
        if kind == "forgotten":
            recorded.pop(key, None)
        elif (found := recorded_in(kind, key, text)) is not None:
            recorded[key] = found
    return Past(recorded.values()) if recorded else None
