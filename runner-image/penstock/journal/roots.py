"""What a run came to, read in its journal by somebody else: the run that has started it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache

from penstock.engine.identity import CallKey
from penstock.journal.entries import split_line, state_in
from penstock.journal.large import LargeResults, fetched
from penstock.journal.records import decode_record
from penstock.states import State, StateType

_FINAL = frozenset({"done", "away", "failed"})
_NAME_AT = len('{"name":')


def root_state(records: Iterable[bytes], *, large: LargeResults | None) -> State[object] | None:
    """Return what the flow itself came to; ``None`` if its end is not stored.

    Raises ``UnreadableResult`` where what it returned needs a class that is not here.
    """
    found: tuple[str, str] | None = None
    for number, raw in enumerate(records):
        for line in decode_record(raw, number=number).lines:
            kind, key, text = split_line(line)
            if kind in _FINAL and key == _root_key(_name_in(text)):
                found = kind, text
    if found is None:
        return None
    kind, text = found
    if kind == "away":
        kind, text = "done", fetched(text, large=large)
    return state_in(text, kind=StateType.COMPLETED if kind == "done" else StateType.FAILED)


def _name_in(text: str) -> str:
    """Return the name in an entry, which stands first, without reading what follows."""
    return str(json.JSONDecoder().raw_decode(text, _NAME_AT)[0])


@lru_cache(maxsize=1024)
def _root_key(identity: str) -> str:
    """Return the key of the root call of a flow of that identity."""
    return CallKey("", identity, "", 0).digest_of_path()
