"""The chain of JournalSegments, over an API server in memory."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.runner.segment_objects import Connection, SegmentObjects

from penstock.errors import CorruptJournal, JournalError, JournalFenced
from penstock.journal.chain import ChainConflict
from penstock.runner.allowance import Allowance
from penstock.runner.apiserver import Answer
from penstock.runner.merging import MERGE_BYTES, Gathering, Step
from penstock.runner.ownership import Lost, Owned, Reported
from penstock.runner.pace import Pace
from penstock.runner.segment import (
    Assembly,
    Owner,
    Segment,
    assemble,
    read_segments,
    record_in,
    single,
    stored_size,
    text_of,
)
from penstock.runner.segment_store import SegmentStore
from penstock.runner.segments import SegmentChain
from penstock.runner.submission import Failed

OWNER = Owner("default", name="daily", uid="0f3c9a1e-0000-4000-8000-000000000000")
FENCE = b'penstock-journal/1 0\n{"kind":"fence","attempt":1}'


class Untidy:
    """Merges nothing."""

    def __init__(self) -> None:
        self.resumed: list[Assembly] = []

    def resume(self, assembly: Assembly) -> None:
        self.resumed.append(assembly)

    def add(self, segment: Segment) -> None: ...

    def finish(self, *, within: float) -> bool:
        return True

    def close(self) -> None: ...


class Desk:
    """One chain and all that is around it."""

    def __init__(self, objects: SegmentObjects | None = None) -> None:
        self.objects = objects or SegmentObjects()
        self.connection = Connection(self.objects)
        self.standing: Owned | Reported | Lost | Failed = Owned(run={}, cancelled=False)
        self.waits: list[float] = []
        self.merger = Untidy()
        self.store = SegmentStore(OWNER, attempt=1, server=self.connection)
        self.chain = SegmentChain(
            self.store,
            merger=self.merger,
            standing=lambda: self.standing,
            wait=self.waits.append,
        )

    def merge(self, first: int, last: int) -> Segment:
        """Put a merged segment beside the records that it holds."""
        records = tuple(self.chain.read()[first : last + 1])
        merged = Segment(first, records=records, merged=True)
        assert self.store.create(merged).ok
        return merged


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_record_is_an_object_named_after_its_run_and_its_number(desk: Desk) -> None:
    desk.chain.put(0, FENCE)
    desk.chain.put(1, b"one")

    first, second = desk.objects.items.values()
    assert first["metadata"]["name"] == "daily-0f3c9a1e-0000000"
    assert first["spec"] == {
        "run": "daily",
        "attempt": 1,
        "number": 0,
        "fence": True,
        "records": FENCE.decode(),
    }
    assert second["metadata"]["labels"] == {"penstock.dev/number": "1"}
    assert second["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "FlowRun",
            "name": "daily",
            "uid": OWNER.uid,
        }
    ]


@given(st.binary())
def test_any_record_survives_as_text(record: bytes) -> None:
    text = text_of(record)

    assert record_in(text) == record
    assert text
    assert "\x1e" not in text
    assert json.loads(json.dumps(text, ensure_ascii=False)) == text


@given(st.lists(st.binary(), min_size=1, max_size=5), st.integers(0, 9_000_000))
def test_any_segment_is_read_as_it_was_written(records: list[bytes], number: int) -> None:
    merged = Segment(number, records=tuple(records), merged=True)

    (read,) = read_segments([_stored(merged)], owner=OWNER)

    assert read == merged


def _stored(segment: Segment, owner: Owner = OWNER) -> dict[str, Any]:
    return segment.manifest(owner, attempt=1)


def test_the_journal_of_an_earlier_run_of_the_same_name_is_another_journal(desk: Desk) -> None:
    """It is there until the garbage collector comes."""
    earlier = Owner("default", name="daily", uid="77777777-0000-4000-8000-000000000000")
    manifest = _stored(single(0, b"old"), earlier)
    desk.objects.items[manifest["metadata"]["name"]] = manifest

    desk.chain.put(0, b"new")

    assert desk.chain.read() == [b"new"]


def test_a_journal_of_many_pages_is_read_whole() -> None:
    desk = Desk(SegmentObjects(page=2))
    for number in range(7):
        desk.chain.put(number, b"%d" % number)

    assert desk.chain.read() == [b"%d" % number for number in range(7)]


def test_a_list_whose_continuation_expires_begins_anew() -> None:
    desk = Desk(SegmentObjects(page=2))
    for number in range(7):
        desk.chain.put(number, b"%d" % number)
    desk.objects.forgets_snapshots = True

    assert desk.chain.read() == [b"%d" % number for number in range(7)]
    assert len(desk.waits) == 1


@pytest.mark.parametrize(
    "torn",
    [Answer(200, body={"message": '{"items": [{'}), Answer(200, body={"items": None})],
    ids=["cut off", "without items"],
)
def test_a_torn_list_is_asked_for_again(desk: Desk, torn: Answer) -> None:
    desk.chain.put(0, b"zero")
    desk.connection.answers.append(torn)

    assert desk.chain.read() == [b"zero"]


def test_a_number_that_another_has_taken_is_a_conflict(desk: Desk) -> None:
    other = Desk(desk.objects)
    other.chain.put(0, b"theirs")

    with pytest.raises(ChainConflict) as caught:
        desk.chain.put(0, b"ours")

    assert caught.value.found == b"theirs"


def test_a_put_whose_answer_was_lost_is_known_by_its_record(desk: Desk) -> None:
    desk.connection.loses_answer = True

    desk.chain.put(0, b"ours")

    assert desk.connection.requests == ["POST", "POST", "GET"]
    assert desk.chain.read() == [b"ours"]


def test_a_record_that_is_merged_away_while_it_is_compared_is_put_again(desk: Desk) -> None:
    """Its answer was lost, the next attempt has merged it: the same record is there twice."""
    desk.chain.put(0, b"zero")
    gone = Answer(404, body={"reason": "NotFound"})
    taken = Answer(409, body={"reason": "AlreadyExists"})
    desk.connection.answers += [taken, gone]

    desk.chain.put(1, b"one")

    assert desk.chain.read() == [b"zero", b"one"]


@pytest.mark.parametrize("status", [401, 409, 429, 500, 503, 504])
def test_a_put_waits_as_long_as_it_takes(desk: Desk, status: int) -> None:
    desk.connection.answers += [Answer(status, body={})] * 500

    desk.chain.put(0, b"zero")

    assert sum(desk.waits) > 1000
    assert desk.chain.read() == [b"zero"]


def test_a_put_leaves_the_server_alone_as_long_as_it_asks(desk: Desk) -> None:
    desk.connection.answers.append(Answer(429, body={}, retry_after=7.0))

    desk.chain.put(0, b"zero")

    assert desk.waits == [7.0]


@pytest.mark.parametrize("status", [403, 404, 422])
@pytest.mark.parametrize(
    "standing", [Lost("The run is at attempt 2."), Reported()], ids=["lost", "reported"]
)
def test_a_refusal_fences_whoever_has_lost_the_run(
    desk: Desk, status: int, standing: Lost | Reported
) -> None:
    desk.connection.answers.append(Answer(status, body={"message": "no"}))
    desk.standing = standing

    with pytest.raises(JournalFenced):
        desk.chain.put(0, b"zero")

    assert desk.objects.items == {}


@pytest.mark.parametrize("status", [403, 404])
def test_rights_that_come_late_are_waited_for(desk: Desk, status: int) -> None:
    desk.connection.answers += [Answer(status, body={"message": "no"})] * 5

    desk.chain.put(0, b"zero")

    assert desk.chain.read() == [b"zero"]


def test_rights_that_never_come_end_the_run_with_what_to_do(desk: Desk) -> None:
    desk.connection.answers += [Answer(403, body={"message": "forbidden"})] * 1000

    with pytest.raises(JournalError, match="Upgrade the chart of Penstock") as caught:
        desk.chain.put(0, b"zero")

    assert "forbidden" in str(caught.value)
    assert Pace().patience <= sum(desk.waits) < 2 * Pace().patience


def test_nobody_concludes_anything_while_the_run_cannot_be_read(desk: Desk) -> None:
    desk.connection.answers += [Answer(422, body={"message": "no"})] * 3
    desk.standing = Failed("no answer")

    desk.chain.put(0, b"zero")

    assert len(desk.waits) == 3


def test_a_record_that_the_server_will_never_take_is_an_error(desk: Desk) -> None:
    desk.connection.answers.append(Answer(413, body={"message": "too large"}))

    with pytest.raises(JournalError, match="too large"):
        desk.chain.put(0, b"zero")


def test_a_record_that_no_object_can_hold_is_refused_before_it_is_sent(desk: Desk) -> None:
    """Each of these characters takes six bytes at etcd, which would answer with a 500."""
    with pytest.raises(JournalError, match="return less from the task"):
        desk.chain.put(0, b"<" * 200_000)

    assert desk.connection.requests == []


def test_a_run_that_writes_without_end_is_slowed_down(desk: Desk) -> None:
    """Its fence is not: an attempt that takes over is not kept waiting."""
    allowance = Allowance(burst=2, per_second=50, clock=lambda: 0.0)
    chain = SegmentChain(
        desk.store,
        merger=desk.merger,
        standing=lambda: desk.standing,
        wait=desk.waits.append,
        allowance=allowance,
    )

    for number, record in enumerate([b"0", b"1", b"2", b"3", FENCE]):
        chain.put(number, record)

    assert desk.waits == pytest.approx([0.02, 0.04])


def test_records_that_are_merged_are_read_from_either_place(desk: Desk) -> None:
    for number in range(5):
        desk.chain.put(number, b"%d" % number)
    desk.merge(0, 3)
    both = desk.chain.read()
    assert desk.store.delete_singles([0, 1, 2]).ok

    assert desk.chain.read() == both == [b"0", b"1", b"2", b"3", b"4"]


def test_an_attempt_takes_merging_up_once_it_has_fenced(desk: Desk) -> None:
    """Until then it is a reader, and another may be the writer."""
    for number in range(5):
        desk.chain.put(number, b"%d" % number)
    desk.merge(0, 3)
    desk.store.delete_singles([0, 1, 2])
    successor = Desk(desk.objects)
    records = successor.chain.read()
    before = list(successor.merger.resumed)

    successor.chain.put(5, FENCE)

    assert before == []
    assert successor.merger.resumed == [Assembly(records, merged_to=4, superfluous=[3])]


def test_a_fence_that_comes_too_late_to_be_at_the_end_learns_what_is_there(desk: Desk) -> None:
    """The attempt before wrote on, merged and deleted, so that the number was free again."""
    desk.chain.put(0, FENCE)
    successor = Desk(desk.objects)
    known = successor.chain.read()
    for number in range(1, 5):
        desk.chain.put(number, b"%d" % number)
    desk.merge(0, 4)
    desk.store.delete_singles([1, 2, 3, 4])

    while True:
        try:
            successor.chain.put(len(known), FENCE)
        except ChainConflict as conflict:
            known.append(conflict.found)
        else:
            break

    assert known == [FENCE, b"1", b"2", b"3", b"4"]
    assert Desk(desk.objects).chain.read() == [*known, FENCE]
    with pytest.raises(ChainConflict):
        desk.chain.put(5, b"late")


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_record_is_no_end_of_the_journal(desk: Desk, missing: int) -> None:
    for number in range(4):
        desk.chain.put(number, b"%d" % number)
    desk.store.delete_singles([missing])

    with pytest.raises(CorruptJournal, match=f"Record {missing} of the journal of daily is"):
        desk.chain.read()


def test_a_merged_segment_that_lost_a_record_is_damaged(desk: Desk) -> None:
    manifest = _stored(Segment(0, records=(b"0", b"1", b"2"), merged=True))
    manifest["spec"]["records"] = "0\x1e1"

    with pytest.raises(CorruptJournal, match="holds 2 records, not those from 0 to 2"):
        read_segments([manifest], owner=OWNER)


def test_two_records_of_one_number_are_a_contradiction() -> None:
    merged = Segment(0, records=(b"0", b"1"), merged=True)

    with pytest.raises(CorruptJournal, match="two different records 1"):
        assemble([merged, single(1, b"another")], run="daily")


def gathered(count: int, *, record: Callable[[int], bytes] = lambda _: b"x") -> list[Step]:
    gathering = Gathering(size=1000, count=10)
    steps = [gathering.add(single(number, record(number))) for number in range(count)]
    return [step for step in steps if step]


def test_so_many_records_are_merged_at_a_time() -> None:
    first, second = gathered(29)

    assert first.segment is not None
    assert (first.segment.number, first.segment.last) == (0, 9)
    assert first.superfluous == tuple(range(10))
    assert second.superfluous == tuple(range(10, 20))


def test_so_many_bytes_are_merged_at_a_time() -> None:
    (step,) = gathered(6, record=lambda _: b"x" * 240)

    assert step.superfluous == (0, 1, 2, 3, 4)


def test_a_record_that_is_large_already_stays_alone() -> None:
    before, after = gathered(20, record=lambda number: b"x" * (2000 if number == 5 else 1))

    assert before.superfluous == (0, 1, 2, 3, 4)
    assert after.superfluous == tuple(range(6, 16))


def test_a_fence_is_merged_and_stays() -> None:
    (step,) = gathered(10, record=lambda number: FENCE if number in {0, 4} else b"x")

    assert step.segment is not None
    assert step.segment.records[4] == FENCE
    assert step.superfluous == (1, 2, 3, 5, 6, 7, 8, 9)


def test_a_merged_segment_fits_into_an_object() -> None:
    """Also when every character of the last record is one that etcd's JSON spells out."""
    gathering = Gathering()
    texts = [b"x" * 2000] * 130 + [b"<" * 40_000]
    steps = [gathering.add(single(number, text)) for number, text in enumerate(texts)]

    (merged,) = [step.segment for step in steps if step and step.segment]
    assert sum(map(stored_size, merged.records)) < 2 * MERGE_BYTES
