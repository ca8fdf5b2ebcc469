"""Attempts that overlap, merge and lose answers, in any order: the journal is always what it was.

Each writer is an attempt. A new one reads and fences; older ones are never told, and go on writing
and merging, one request at a time, however late.
"""

import json
from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.runner.segment_objects import Connection, SegmentObjects

from penstock.journal.chain import ChainConflict
from penstock.runner.merging import Gathering, Step
from penstock.runner.ownership import Owned
from penstock.runner.segment import Assembly, Owner, Segment, single
from penstock.runner.segment_store import SegmentStore
from penstock.runner.segments import SegmentChain

OWNER = Owner("default", name="daily", uid="0f3c9a1e-0000-4000-8000-000000000000")


class StepByStep:
    """Merges when told to, one request at a time, as the merger's thread would some time."""

    def __init__(self, store: SegmentStore) -> None:
        self._store = store
        self._gathering = Gathering(count=3)
        self.requests: deque[Segment | tuple[int, ...]] = deque()

    def resume(self, assembly: Assembly) -> None:
        self._plan(Step(None, tuple(assembly.superfluous)))
        for number in range(assembly.merged_to, len(assembly.records)):
            self.add(single(number, assembly.records[number]))

    def add(self, segment: Segment) -> None:
        self._plan(self._gathering.add(segment))

    def finish(self, *, within: float) -> bool:
        self._plan(self._gathering.take())
        return True

    def close(self) -> None: ...

    def request(self) -> None:
        match self.requests.popleft():
            case Segment() as segment:
                answer = self._store.create(segment)
                assert answer.ok or answer.body["reason"] == "AlreadyExists"
            case numbers:
                assert self._store.delete_singles(numbers).ok

    def _plan(self, step: Step | None) -> None:
        if step and step.segment:
            self.requests.append(step.segment)
        if step and step.superfluous:
            self.requests.append(step.superfluous)


class Writer:
    """One attempt, that goes about it as `open_journal` does."""

    def __init__(self, objects: SegmentObjects, *, attempt: int) -> None:
        self.attempt = attempt
        self.store = SegmentStore(OWNER, attempt=attempt, server=Connection(objects))
        self.merger = StepByStep(self.store)
        self.chain = SegmentChain(
            self.store,
            merger=self.merger,
            standing=lambda: Owned(run={}, cancelled=False),
            wait=lambda seconds: None,
        )
        self.known = self.chain.read()
        self.in_doubt: Segment | None = None
        self.has_fenced = False
        self._count = 0

    def next(self) -> Segment:
        """Return what it puts next: the record in doubt again, if there is one."""
        if self.in_doubt:
            return self.in_doubt
        self._count += 1
        kind = "entries" if self.has_fenced else "fence"
        header = {"kind": kind, "attempt": self.attempt}
        record = f"penstock-journal/1 0\n{json.dumps(header)}\n{self._count}"
        return single(len(self.known), record.encode())

    def put(self, segment: Segment) -> bytes | None:
        """Put a record; return the one that is there instead, if another is."""
        try:
            self.chain.put(segment.number, segment.records[0])
        except ChainConflict as conflict:
            if conflict.found != segment.records[0]:
                self.known.append(conflict.found)
                return conflict.found
        self.known.append(segment.records[0])
        self.in_doubt = None
        self.has_fenced = True
        return None


def attempt_of(record: bytes) -> int:
    attempt: int = json.loads(record.splitlines()[1])["attempt"]
    return attempt


class Attempts(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.objects = SegmentObjects()
        self.stored: list[bytes] = []
        self.writers: list[Writer] = []
        self.attempts = 0

    def some(self, data: Any, *which: Writer) -> Writer:
        writer: Writer = data.draw(st.sampled_from(which or self.writers))
        return writer

    def is_fenced(self, writer: Writer) -> bool:
        fences = [attempt_of(record) for record in self.stored if b'"fence"' in record]
        return fences[-1] != writer.attempt

    @rule()
    @precondition(lambda self: len(self.writers) < 4)
    def an_attempt_opens(self) -> None:
        self.attempts += 1
        self.writers.append(Writer(self.objects, attempt=self.attempts))

    @rule(data=st.data())
    @precondition(lambda self: self.writers)
    def a_writer_puts(self, data: Any) -> None:
        writer = self.some(data)
        segment = writer.next()
        at_the_end = segment.number == len(self.stored)

        found = writer.put(segment)

        if found is None:
            if at_the_end:
                self.stored.append(segment.records[0])
            assert writer.known == self.stored[: len(writer.known)]
        else:
            assert not at_the_end
            assert writer.has_fenced or found == self.stored[segment.number]
            assert not writer.has_fenced or self.is_fenced(writer)
            if writer.has_fenced or attempt_of(found) > writer.attempt:
                self.writers.remove(writer)

    @rule(data=st.data())
    @precondition(lambda self: any(not writer.in_doubt for writer in self.writers))
    def a_put_is_carried_out_and_its_answer_lost(self, data: Any) -> None:
        """The writer hears of it when it puts again, however much has happened since."""
        writer = self.some(data, *(it for it in self.writers if not it.in_doubt))
        segment = writer.next()
        if writer.store.create(segment).ok:
            writer.in_doubt = segment
            if segment.number == len(self.stored):
                self.stored.append(segment.records[0])

    @rule(data=st.data())
    @precondition(lambda self: any(writer.merger.requests for writer in self.writers))
    def a_merge_goes_one_request_further(self, data: Any) -> None:
        self.some(data, *(it for it in self.writers if it.merger.requests)).merger.request()

    @rule(data=st.data())
    @precondition(lambda self: self.writers)
    def a_writer_merges_all_that_remains(self, data: Any) -> None:
        self.some(data).chain.finish(within=0)

    @invariant()
    def the_journal_is_what_was_stored(self) -> None:
        reader = SegmentStore(OWNER, attempt=9, server=Connection(self.objects))
        chain = SegmentChain(
            reader,
            merger=StepByStep(reader),
            standing=lambda: Owned(run={}, cancelled=False),
        )
        assert chain.read() == self.stored


TestAttempts = Attempts.TestCase
TestAttempts.settings = settings(stateful_step_count=30)
