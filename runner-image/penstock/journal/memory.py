"""The journal of runs that live in one process: results survive a flow's retry, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from penstock.engine.identity import CallKey
from penstock.engine.retry import AttemptsUsed
from penstock.journal.protocol import Epoch
from penstock.states import State

if TYPE_CHECKING:
    from penstock.serializers import Serializer


class MemoryJournal:
    """Keeps results as the objects they are; serialises nothing.

    Errors are not kept, but of calls that begin once: they hold within one attempt only, in which
    no key occurs twice.
    """

    is_remote = False
    is_durable = False
    past = None

    def __init__(self) -> None:
        self._states: dict[CallKey, State[object]] = {}
        self._notes: dict[CallKey, object] = {}
        self._begun: set[CallKey] = set()

    def holds_up(self) -> bool:
        """Tell that recording takes no time."""
        return False

    def flush(self) -> None:
        """Do nothing: nothing is stored."""

    def find(
        self, key: CallKey, *, epoch: Epoch, by: Serializer | None = None
    ) -> State[object] | None:
        """Return the completed state of an earlier attempt's equal call."""
        return self._states.get(key)

    def record(
        self,
        key: CallKey,
        *,
        state: State[object],
        epoch: Epoch,
        left: Sequence[object] = (),
        by: Serializer | None = None,
    ) -> State[object]:
        """Keep ``state`` if it holds in every attempt; what it left, the run itself remembers."""
        if state.is_completed() or key in self._begun:
            self._states[key] = state
        return state

    def left(self, key: CallKey) -> Sequence[object]:
        """Return nothing: the run is still the same."""
        return ()

    def record_attempt(
        self,
        key: CallKey,
        *,
        used: AttemptsUsed,
        epoch: Epoch,
        beats: Sequence[object] = (),
    ) -> None:
        """Keep nothing: the process that waits knows it."""

    def deadline(self, key: CallKey, *, due: datetime, epoch: Epoch) -> datetime:
        """Return the moment: the call knows it from here on."""
        return due

    def due(self, key: CallKey, *, epoch: Epoch) -> datetime | None:
        """Return nothing: no other process stored it."""
        return None

    def record_beat(self, key: CallKey, *, payload: object) -> None:
        """Keep nothing: the task's run does."""

    def last_beat(self, key: CallKey) -> object:
        """Return nothing: no other process had it."""
        return None

    def noted(self, key: CallKey) -> object:
        """Return what an earlier attempt noted."""
        return self._notes.get(key)

    def note(self, key: CallKey, *, make: Callable[[], object]) -> object:
        """Return what an earlier attempt noted, or else note what is made."""
        if key not in self._notes:
            self._notes[key] = make()
        return self._notes[key]

    def claim(self, key: CallKey) -> None:
        """Note nothing: this process knows what it was about."""

    def begin(self, key: CallKey) -> bool:
        """Note that a call begins, unless it has begun."""
        if key in self._begun:
            return False
        self._begun.add(key)
        return True

    def release(self, key: CallKey) -> None:
        """Keep a call's result no longer."""
        self._states.pop(key, None)

    def forget(self, key: CallKey, *, epoch: Epoch | None = None) -> None:
        """Have the call count as never made: nobody takes this attempt up again."""
        for each in (key, key.beside("values")):
            self._states.pop(each, None)

    def is_undone(self, key: CallKey) -> bool:
        """Tell that what was undone is not found."""
        return False
