"""The journal of runs whose results are to be what a store would give back, though none is there.

It keeps the lines that a durable journal would store. So a test in memory meets what a person meets
in the cluster: an object that cannot be stored, or whose copy is not what it was, and a result that
is not the same object twice.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from penstock.engine.identity import CallKey
from penstock.journal.entries import done_line, split_line, state_in
from penstock.journal.memory import MemoryJournal
from penstock.journal.protocol import Epoch
from penstock.serializers import Serializer
from penstock.states import State, StateType


def is_asked_for() -> bool:
    """Tell whether ``PENSTOCK_ROUNDTRIP`` is set, to anything but 0."""
    return os.environ.get("PENSTOCK_ROUNDTRIP", "0") not in ("", "0")


class RoundTripJournal(MemoryJournal):
    """Keeps results as text, and reads them anew each time."""

    is_durable = True

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[CallKey, str] = {}

    def find(
        self, key: CallKey, *, epoch: Epoch, by: Serializer | None = None
    ) -> State[object] | None:
        """Return the completed state of an earlier attempt's equal call."""
        line = self._lines.get(key)
        return super().find(key, epoch=epoch) if line is None else _state_in(line, by=by)

    def record(
        self,
        key: CallKey,
        *,
        state: State[object],
        epoch: Epoch,
        left: Sequence[object] = (),
        by: Serializer | None = None,
    ) -> State[object]:
        """Return ``state`` as it is read again; raise ``UnstorableValue`` if it cannot be."""
        super().record(key, state=state, epoch=epoch, left=left)
        if not state.is_completed():
            return state
        self._lines[key] = line = done_line(key, state, by=by)
        return _state_in(line, by=by)

    def release(self, key: CallKey) -> None:
        """Keep a call's result no longer."""
        super().release(key)
        self._lines.pop(key, None)

    def forget(self, key: CallKey, *, epoch: Epoch | None = None) -> None:
        """Have the call count as never made."""
        super().forget(key, epoch=epoch)
        self._lines.pop(key, None)


def _state_in(line: str, *, by: Serializer | None) -> State[object]:
    return state_in(split_line(line)[2], kind=StateType.COMPLETED, by=by)
