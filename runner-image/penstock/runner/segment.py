"""A piece of a run's journal, as it is in the cluster, and the chain that the pieces make.

Each record is an object of its own at first: its name is its number, and a name is given once.
Later many are merged into one object and deleted, except for fences. A fence is what a writer that
was cut off meets under the number that it would put next; if its name became free, that writer
would go on behind the back of its successor.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from penstock.errors import CorruptJournal
from penstock.runner.own_run import API_VERSION

NUMBER_LABEL = "penstock.dev/number"
"""On single records: a label, because many objects can be chosen by one in a single request."""
SEPARATOR = "\x1e"
"""Stands between merged records. JSON text never holds it as it is."""
ENCODED = "\x1f"
"""Begins a record that is no such text, and is kept as base64."""
_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Owner:
    """The run that a journal belongs to. Another run may bear its name later, never its uid."""

    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> Owner:
        """Return the identity of a FlowRun as it was read."""
        metadata = run["metadata"]
        return cls(metadata["namespace"], name=metadata["name"], uid=metadata["uid"])

    @property
    def collection(self) -> str:
        """The path under which the segments of its namespace are."""
        return f"/apis/{API_VERSION}/namespaces/{self.namespace}/journalsegments"


@dataclass(frozen=True, slots=True)
class Segment:
    """Records with consecutive numbers."""

    number: int
    """Of the first record."""
    records: tuple[bytes, ...]
    merged: bool = False
    fence: bool = False

    @property
    def last(self) -> int:
        return self.number + len(self.records) - 1

    def name(self, owner: Owner) -> str:
        """Return the name that only an equal segment of the same run has."""
        numbers = [self.number, self.last] if self.merged else [self.number]
        padded = "-".join(f"{number:0{_DIGITS}}" for number in numbers)
        return f"{owner.name}-{owner.uid[:8]}-{padded}"

    def manifest(self, owner: Owner, *, attempt: int) -> dict[str, Any]:
        """Write the object down."""
        spec: dict[str, Any] = {"run": owner.name, "attempt": attempt, "number": self.number}
        if self.merged:
            spec["last"] = self.last
        if self.fence:
            spec["fence"] = True
        spec["records"] = SEPARATOR.join(map(text_of, self.records))
        metadata: dict[str, Any] = {
            "name": self.name(owner),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "FlowRun",
                    "name": owner.name,
                    "uid": owner.uid,
                }
            ],
        }
        if not self.merged and not self.fence:
            metadata["labels"] = {NUMBER_LABEL: str(self.number)}
        return {
            "apiVersion": API_VERSION,
            "kind": "JournalSegment",
            "metadata": metadata,
            "spec": spec,
        }


def merged_span(name: str, *, owner: Owner) -> range | None:
    """Return the numbers that a merged segment holds, by its name."""
    numbers = name.removeprefix(f"{owner.name}-{owner.uid[:8]}-").split("-")
    if len(numbers) != len(("first", "last")):
        return None
    first, last = map(int, numbers)
    return range(first, last + 1)


def text_of(record: bytes) -> str:
    """Return the text that stands for a record: mostly the record itself."""
    try:
        text = record.decode()
    except UnicodeDecodeError:
        return ENCODED + base64.b64encode(record).decode()
    if text and SEPARATOR not in text and not text.startswith(ENCODED):
        return text
    return ENCODED + base64.b64encode(record).decode()


def record_in(text: str) -> bytes:
    """Return the record that a text stands for."""
    return base64.b64decode(text[1:]) if text.startswith(ENCODED) else text.encode()


def single(number: int, record: bytes) -> Segment:
    """Return the segment of one new record."""
    return Segment(number, records=(record,), fence=_is_fence(record))


def _is_fence(record: bytes) -> bool:
    """Read the kind of a record in its header, which is its second line."""
    try:
        header = json.loads(record.split(b"\n", 2)[1])
    except (IndexError, ValueError):
        return False
    return isinstance(header, dict) and header.get("kind") == "fence"


def read_segments(items: Iterable[Mapping[str, Any]], *, owner: Owner) -> list[Segment]:
    """Read objects; those of an earlier run of the same name, not yet collected, are left out."""
    return [_read_segment(item) for item in items if _belongs(item, owner)]


def _belongs(item: Mapping[str, Any], owner: Owner) -> bool:
    references = item["metadata"].get("ownerReferences") or []
    return any(reference.get("uid") == owner.uid for reference in references)


def _read_segment(item: Mapping[str, Any]) -> Segment:
    spec = item["spec"]
    number, last = spec["number"], spec.get("last")
    texts = [spec["records"]] if last is None else spec["records"].split(SEPARATOR)
    if last is not None and number + len(texts) - 1 != last:
        raise CorruptJournal(
            f"Segment {item['metadata']['name']} of the journal holds {len(texts)} records, not "
            f"those from {number} to {last}: it is damaged. Restore it from a backup, or start a "
            "new run."
        )
    return Segment(
        number,
        records=tuple(map(record_in, texts)),
        merged=last is not None,
        fence=bool(spec.get("fence")),
    )


@dataclass(frozen=True, slots=True)
class Assembly:
    """A journal put together."""

    records: list[bytes]
    merged_to: int
    """All records before this number are in merged segments."""
    superfluous: list[int]
    """Numbers of single records that merged segments hold too; their deletion was cut off."""


def assemble(segments: Sequence[Segment], *, run: str) -> Assembly:
    """Put a journal together; raise ``CorruptJournal`` for a gap or a contradiction.

    A record may be there twice, alone and merged: deleting comes after merging.
    """
    found: dict[int, bytes] = {}
    merged: set[int] = set()
    for segment in sorted(segments, key=lambda segment: not segment.merged):
        for number, record in enumerate(segment.records, segment.number):
            if found.setdefault(number, record) == record:
                if segment.merged:
                    merged.add(number)
            elif not segment.fence:  # a fence may have come too late to a number that was merged
                raise CorruptJournal(
                    f"The journal of {run} holds two different records {number}: it was tampered "
                    "with. Start a new run."
                )
    numbers = sorted(found)
    for before, after in pairwise([-1, *numbers]):
        if after != before + 1:
            raise CorruptJournal(
                f"Record {before + 1} of the journal of {run} is missing, although record {after} "
                "is there: somebody has deleted it. Restore it from a backup, or start a new run."
            )
    singles = (segment for segment in segments if not segment.merged and not segment.fence)
    return Assembly(
        records=[found[number] for number in numbers],
        merged_to=next((number for number in numbers if number not in merged), len(numbers)),
        superfluous=sorted(segment.number for segment in singles if segment.number in merged),
    )


def stored_size(record: bytes) -> int:
    """Return the bytes that a record takes in etcd, where `<`, `>` and `&` take six each."""
    text = json.dumps(text_of(record), ensure_ascii=False)
    return len(text.encode()) + 5 * sum(text.count(character) for character in "<>&")
