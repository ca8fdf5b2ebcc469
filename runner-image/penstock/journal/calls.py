"""What the engine asks of a durable run's journal: what its calls came to, and more of the like.

What was stored is held as text and read when it is asked for; what is new goes through the writer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import cast

from penstock.engine.identity import CallKey
from penstock.engine.past import Past, Recorded
from penstock.engine.retry import AttemptsUsed
from penstock.errors import StoreUnusable, UnreadableResult, UnstorableValue
from penstock.journal.entries import (
    attempts_in,
    beat_line,
    done_line,
    due_line,
    epoch_in,
    failed_line,
    forgotten_line,
    left_line,
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
from penstock.journal.large import MIN_AWAY, LargeResults, fetched
from penstock.journal.limits import Limits
from penstock.journal.protocol import Epoch
from penstock.journal.reruns import effective, own_lines
from penstock.journal.writing import Writer
from penstock.serializers import Serializer
from penstock.states import State, StateType

MAX_BEAT = 1024
"""Characters of a heartbeat's entry: an hour of them is not to fill the journal."""
_UNCHANGED = frozenset({type(None), bool, int, float, str})
"""Types whose values come back from a store as what they are."""


class CallJournal:
    """The engine's ``Journal`` over the entries of a run."""

    is_durable = True

    def __init__(
        self, lines: Sequence[str], *, writer: Writer, figures: Figures, limits: Limits
    ) -> None:
        self.figures = figures
        self._writer = writer
        self._limits = limits
        self._large: LargeResults | None = None
        valid = effective(lines)
        self.past = _past_in(own_lines(valid))
        self._held = Held(valid)
        self.when_stuck: Callable[[UnreadableResult | StoreUnusable], None] = lambda _: None
        """Called by the thread that meets an entry which cannot be read any more, or a store that
        takes none: somebody has to mend it."""
        self.when_new: Callable[[], None] = lambda: None
        """Called by the thread that is about to note something that was not noted before."""

    @property
    def is_remote(self) -> bool:
        """Whether storing takes milliseconds."""
        return self._writer.is_remote

    def holds_up(self) -> bool:
        """Tell whether to record a result now takes milliseconds."""
        return self._writer.holds_up()

    def flush(self) -> None:
        """Return once all that was recorded is stored; raise what kept it from being stored."""
        self._writer.flush()

    def find(
        self, key: CallKey, *, epoch: Epoch, by: Serializer | None = None
    ) -> State[object] | AttemptsUsed | None:
        """Return what the call came to, or how far it got."""
        with self._reading():
            return self._found(key.digest_of_path(), epoch=epoch, by=by)

    def _found(
        self, name: str, *, epoch: Epoch, by: Serializer | None
    ) -> State[object] | AttemptsUsed | None:
        held = self._held
        forgotten = held.text("forgotten", name)
        holds = forgotten is None or epoch_in(forgotten) == self._epoch(epoch)
        if holds and (done := held.text("done", name)):
            return state_in(done, kind=StateType.COMPLETED, by=by)
        if holds and (away := held.text("away", name)):
            return state_in(fetched(away, large=self._large), kind=StateType.COMPLETED, by=by)
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
        by: Serializer | None = None,
    ) -> State[object]:
        """Store a final state, and return it as it will be found."""
        if state.is_completed():
            line, entry = self._done(key, state, by=by)
        elif state.is_failed() and isinstance(state.data, Exception):
            try:
                entry = line = failed_line(key, state, epoch=self._epoch(epoch))
            except UnstorableValue:
                return state  # it holds for as long as the process; the call then runs again
        else:
            return state
        lines = (left_line(key, left), entry) if left else (entry,)
        self._append(*lines, at_once=not key.scope)
        return self._as_found(line, state, by=by)

    def _done(
        self, key: CallKey, state: State[object], *, by: Serializer | None
    ) -> tuple[str, str]:
        """Return the entry of a result, and what is stored in its place."""
        try:
            line = done_line(key, state, by=by)
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
        self._append(*lines, line, at_once=True)

    def deadline(self, key: CallKey, *, due: datetime, epoch: Epoch) -> datetime:
        """Return the moment by which a call has to end, as it was stored in this epoch."""
        stored = self.due(key, epoch=epoch)
        if stored is None:
            self._append(due_line(key, due, epoch=self._epoch(epoch)), at_once=True)
        return stored or due

    def due(self, key: CallKey, *, epoch: Epoch) -> datetime | None:
        """Return the moment stored in this epoch, if there is one."""
        stored = self._held.text("due", key.digest_of_path())
        is_of_epoch = stored is not None and epoch_in(stored) == self._epoch(epoch)
        return moment_in(stored) if stored is not None and is_of_epoch else None

    def record_beat(self, key: CallKey, *, payload: object) -> None:
        """Store how far a call is, behind the run's back; drop it if the store is too slow."""
        line = self._beat_line(key.digest_of_path(), payload)
        if self._writer.add_if_quick(line):
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

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except UnreadableResult as unreadable:
            self.when_stuck(unreadable)
            raise

    def _epoch(self, epoch: Epoch) -> str:
        return f"{self._writer.epoch}.{epoch()}"

    def _as_found(self, line: str, state: State[object], *, by: Serializer | None) -> State[object]:
        if by is None and state.is_completed() and type(state.data) in _UNCHANGED:
            return state
        if not state.is_completed():
            return state  # the exception itself, with its traceback
        _, _, text = split_line(line)
        found = state_in(text, kind=state.type, by=by)
        return State(
            state.type,
            name=state.name,
            message=state.message,
            data=found.data,
            timestamp=state.timestamp,
        )

    def _within_limits(self, line: str, *, key: CallKey) -> str:
        """Return the entry to store: the line, or one that refers to where it was put away."""
        problem = self._limits.problem_with(line, task=key.identity, size=self.figures.size)
        if problem is None:
            return line
        if self._large is not None and len(line) >= MIN_AWAY:
            return self._large.put_away(line, name=key.identity)
        raise UnstorableValue(f"{problem} Return less, or give the flow a result_storage.")

    def _append(self, *lines: str, at_once: bool = False) -> None:
        """Store lines; ``at_once`` whatever may follow later, and all that was recorded before."""
        try:
            self._writer.check()
            self.figures.size += sum(map(weight_of, lines))
            self._writer.add(lines, at_once=at_once)
        except StoreUnusable as unusable:
            self.when_stuck(unusable)
            raise
        for line in lines:
            self._held.add(line)


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
