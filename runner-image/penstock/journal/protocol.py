"""What the engine needs of a journal."""

from __future__ import annotations

from typing import Protocol

from penstock.engine.identity import CallKey
from penstock.states import State


class Journal(Protocol):
    """Keeps the final states of calls by key. Called from many threads at once."""

    def find(self, key: CallKey) -> State[object] | None:
        """Return what the call came to in this run; ``None`` if it must run."""

    def record(self, key: CallKey, *, state: State[object]) -> None:
        """Store what the call came to; once this returns, the call never runs again (G1)."""
