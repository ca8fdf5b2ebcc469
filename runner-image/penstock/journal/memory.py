"""The journal of runs that live in one process: results survive a flow's retry, nothing else."""

from __future__ import annotations

from penstock.engine.identity import CallKey
from penstock.states import State


class MemoryJournal:
    """Keeps results as the objects they are; serialises nothing.

    Errors are not kept: they hold within one attempt only, in which no key occurs twice.
    """

    def __init__(self) -> None:
        self._states: dict[CallKey, State[object]] = {}

    def find(self, key: CallKey) -> State[object] | None:
        """Return the completed state of an earlier attempt's equal call."""
        return self._states.get(key)

    def record(self, key: CallKey, *, state: State[object]) -> None:
        """Keep ``state`` if it is a completed one."""
        if state.is_completed():
            self._states[key] = state
