"""Merging: the single records of a journal become few large objects, so that it stays small.

A thread of its own merges behind the writer's back. It can be cut off after each step: first the
merged segment is created, then the single ones are deleted, and a reader takes a record from
either. So a number is free again only when a merged segment holds its record, and only a put that
is sent a second time, with the same record, can take it again.

Two writers may merge at once, for a while: each merges nothing but what is stored for good, and
merged segments are never deleted.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from penstock.runner import exits
from penstock.runner.apiserver import Answer, UnreachableError
from penstock.runner.pace import Backoff, Pace
from penstock.runner.segment import Assembly, Segment, single, stored_size
from penstock.runner.segment_store import PATIENCE, SegmentStore
from penstock.runner.submission import Failed

MERGE_BYTES = 256 * 1024
"""A merged segment is made once this much has gathered; a record as large as that stays alone."""
MERGE_RECORDS = 400
"""… or so many records: 10,000 of them become 25 objects."""
FEW = 4
"""What remains at the end of a run stays as it is if it is no more records than this."""
REFUSED = frozenset({400, 403, 404, 405, 413, 422})


@dataclass(frozen=True, slots=True)
class Step:
    """One merge: what to create, then which single records to delete."""

    segment: Segment | None
    superfluous: tuple[int, ...]


class Gathering:
    """Stored records that are not merged yet, in order."""

    def __init__(self, *, size: int = MERGE_BYTES, count: int = MERGE_RECORDS) -> None:
        self._limits = size, count
        self._segments: list[Segment] = []
        self._size = 0

    def add(self, segment: Segment) -> Step | None:
        """Add the next record; return the merge that is due with it."""
        if self._segments and segment.number != self._segments[-1].number + 1:
            self._segments, self._size = [], 0
        size, count = self._limits
        added = stored_size(segment.records[0])
        if added >= size:
            return self.take()
        self._segments.append(segment)
        self._size += added
        if self._size < size and len(self._segments) < count:
            return None
        return self.take()

    def take(self, *, more_than: int = 1) -> Step | None:
        """Return the merge of all that has gathered, if it is more than so many records."""
        segments, self._segments, self._size = self._segments, [], 0
        if len(segments) <= more_than:
            return None
        merged = Segment(
            segments[0].number,
            records=tuple(record for segment in segments for record in segment.records),
            merged=True,
        )
        return Step(merged, tuple(segment.number for segment in segments if not segment.fence))


class Merger:
    """Carries merges out, one after the other, in a thread that starts with the first."""

    def __init__(
        self,
        connect: Callable[[], SegmentStore],
        *,
        pace: Pace | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect = connect
        self._pace = pace or Pace()
        self._wait = wait
        self._gathering = Gathering()
        self._steps: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def resume(self, assembly: Assembly) -> None:
        """Go on where an earlier attempt was cut off."""
        if assembly.superfluous:
            self._begin(Step(None, tuple(assembly.superfluous)))
        for number in range(assembly.merged_to, len(assembly.records)):
            self.add(single(number, assembly.records[number]))

    def add(self, segment: Segment) -> None:
        """Tell of a record that is stored; called by the writer, which does not wait."""
        if step := self._gathering.add(segment):
            self._begin(step)

    def finish(self, *, within: float) -> bool:
        """Merge what has gathered, at the end of a run; return whether all is done in time."""
        if step := self._gathering.take(more_than=FEW):
            self._begin(step)
        if self._thread is None:
            return True
        self._steps.put(None)
        self._thread.join(within)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stop after the merges that have begun, without waiting for them."""
        self._steps.put(None)

    def _begin(self, step: Step) -> None:
        self._steps.put(step)
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="penstock-journal-merger", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        store = self._connect()
        while step := self._steps.get():
            if refusal := self._carry_out(step, store=store):
                # The journal is whole, only larger than it need be.
                exits.say(f"The journal is not merged any more, since it was refused: {refusal}")
                break
        store.close()

    def _carry_out(self, step: Step, *, store: SegmentStore) -> str | None:
        """Do one merge; return why it was refused."""
        segment = step.segment
        if segment and (refusal := self._insist(lambda: store.create(segment, timeout=PATIENCE))):
            return refusal
        if not step.superfluous:
            return None
        return self._insist(lambda: store.delete_singles(step.superfluous))

    def _insist(self, request: Callable[[], Answer]) -> str | None:
        """Repeat a request until it is answered; return why it was refused."""
        backoff = Backoff(self._pace)
        while True:
            try:
                answer = request()
            except UnreachableError as error:
                failed = Failed(str(error))
            else:
                if answer.ok or answer.body.get("reason") == "AlreadyExists":
                    return None
                if answer.status in REFUSED:
                    return answer.sentence
                failed = Failed(answer.sentence, retry_after=answer.retry_after)
            self._wait(backoff.after(failed))
