"""Results that wait for the commit: only the transaction itself finds them until then."""

from __future__ import annotations

from penstock.engine.results import Entry, Slot


class StagedResults:
    """The results that one outermost transaction holds back. Used from many threads at once."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[tuple[int, str], Entry] = {}

    def add(self, slot: Slot, entry: Entry) -> None:
        """Have ``entry`` be found, in place of what was there."""
        self._entries[id(slot.results), slot.key] = entry

    def find(self, slot: Slot) -> Entry | None:
        """Return what waits for its place."""
        return self._entries.get((id(slot.results), slot.key))

    def __contains__(self, slot: Slot) -> bool:
        return self.find(slot) is not None

    def drop(self, slot: Slot) -> None:
        """Have nothing be found: it is kept, or was undone."""
        self._entries.pop((id(slot.results), slot.key), None)
