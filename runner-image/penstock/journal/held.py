"""The entries that a journal holds in memory, by call: as text, and only while somebody may ask.

A run of a hundred thousand tasks stores each result once and asks for it again only where a body
around is retried. So what nobody can ask for any more is let go of; the store has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

UNDONE = ("done", "away", "failed", "retry", "due", "beat", "left", "forgotten")
"""What a call that was rolled back counts as never having had. That it began stays true."""
_RESULTS = ("done", "away")
_OF_A_CALL = (*UNDONE, "start")
_ENDINGS = ("done", "away", "failed")


class Held:
    """Entries by kind and key, read from records or just stored."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._texts: dict[str, str] = {}
        for line in lines:
            self.add(line)
        self._interrupted = self._unmatched_starts()

    def add(self, line: str) -> None:
        """Hold an entry; the last of a kind and key counts."""
        kind, _, rest = line.partition(" ")
        key, _, text = rest.partition(" ")
        if kind == "forgotten" and "epoch" not in json.loads(text):
            self.release(key, kinds=UNDONE)
            return
        self._texts[f"{kind} {key}"] = text
        if kind in _RESULTS:
            self._texts.pop(f"forgotten {key}", None)

    def text(self, kind: str, key: str) -> str | None:
        """Return the JSON of an entry, unread; ``None`` if there is none."""
        return self._texts.get(f"{kind} {key}")

    def texts(self, kind: str) -> Iterator[str]:
        """Yield the JSON of all entries of a kind, in the order of their storing."""
        head = f"{kind} "
        return (text for name, text in [*self._texts.items()] if name.startswith(head))

    def knows(self, key: str) -> bool:
        """Tell whether a call has left anything."""
        return any(f"{kind} {key}" in self._texts for kind in _OF_A_CALL)

    def release(self, key: str, *, kinds: Iterable[str] = _OF_A_CALL) -> None:
        """Let go of the entries of a call."""
        for kind in kinds:
            self._texts.pop(f"{kind} {key}", None)

    def claim(self, key: str) -> None:
        """Note that a call is made under this key: if it was interrupted, then it is that one."""
        for keys in self._interrupted.values():
            keys.discard(key)

    def may_be_interrupted(self, key: str, *, scope: str, name: str) -> bool:
        """Tell whether a call began before, or may be one that did under another key."""
        return f"start {key}" in self._texts or bool(self._interrupted.get((scope, name)))

    def _unmatched_starts(self) -> dict[tuple[str, str], set[str]]:
        """Return the calls that began and did not end, by scope and task."""
        found: dict[tuple[str, str], set[str]] = {}
        for head, text in self._texts.items():
            kind, _, key = head.partition(" ")
            if kind == "start" and not any(f"{end} {key}" in self._texts for end in _ENDINGS):
                fields = json.loads(text)
                found.setdefault((fields["scope"], fields["name"]), set()).add(key)
        return found
