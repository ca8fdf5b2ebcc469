"""The journal of a run over a line and a server that fail in every way they can."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.runner.faulty_server import Answer, Delay, Drop, Fault, FaultyServer, Hold

from penstock.errors import JournalFenced
from penstock.journal.chain import ChainConflict
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder
from penstock.runner.environment import Environment
from penstock.runner.merging import MERGE_RECORDS
from penstock.runner.pace import Pace
from penstock.runner.segments import SegmentChain, open_segments

QUICK = Pace(patience=1.0, first_retry=0.02, longest_retry=0.1)
FENCE = b'penstock-journal/1 0\n{"kind":"fence"}'


class Desk:
    """A server, and the pods of the run's attempts."""

    def __init__(self, server: FaultyServer) -> None:
        self.server = server
        self.chains: list[SegmentChain] = []

    def chain(self, attempt: int = 1) -> SegmentChain:
        environment = replace(_environment(self.server), attempt=attempt)
        assert self.server.run is not None
        self.chains.append(open_segments(environment, run=self.server.run, pace=QUICK))
        return self.chains[-1]

    @property
    def names(self) -> list[str]:
        return [name.removeprefix("daily-0f3c9a1e-") for name in sorted(self.server.journal.items)]


@pytest.fixture
def desk(server: FaultyServer) -> Iterator[Desk]:
    desk = Desk(server)
    yield desk
    for chain in desk.chains:
        chain.close()


def _environment(server: FaultyServer) -> Environment:
    return Environment(
        namespace="default",
        run="daily",
        flow="daily",
        attempt=1,
        pod_name="daily-1-abcde",
        pod_uid="u-1",
        grace_seconds=1.0,
        linger_seconds=30.0,
        server_host="127.0.0.1",
        server_port=server.port,
        credentials=server.credentials,
        snapshot=Path("/nowhere"),
        result_preview=False,
    )


TRANSIENT: dict[str, Fault] = {
    "500": Answer(500),
    "429 with Retry-After": Answer(429, retry_after="0.05"),
    "503 that is no JSON": Answer(503, body=b"bad gateway"),
    "401": Answer(401),
    "403 although the run is ours": Answer(403),
    "404 although the run is ours": Answer(404),
    "409 that is no conflict of names": Answer(409),
    "dropped": Drop(),
    "dropped after the write": Drop(carried_out=True),
    "late": Delay(0.2),
}
each_transient = pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())


@each_transient
@pytest.mark.parametrize("times", [1, 3])
def test_a_record_is_stored_once_whatever_happens(desk: Desk, fault: Fault, times: int) -> None:
    chain = desk.chain()
    chain.put(0, b"zero")
    desk.server.faults["POST"].extend([fault] * times)

    chain.put(1, b"one")

    assert desk.chain().read() == [b"zero", b"one"]


@each_transient
def test_a_journal_is_read_whatever_happens(desk: Desk, fault: Fault) -> None:
    writer = desk.chain()
    for number in range(250):
        writer.put(number, b"%d" % number)
    desk.server.faults["GET"].extend([fault, Answer(200, body=b'{"items": [{"meta'), fault])

    read = desk.chain().read()

    assert read == [b"%d" % number for number in range(250)]


@pytest.mark.parametrize("name", [name for name in TRANSIENT if "although" not in name])
def test_merging_outlives(desk: Desk, name: str) -> None:
    fault = TRANSIENT[name]
    chain = desk.chain()
    chain.put(0, FENCE)
    for number in range(1, 50):
        chain.put(number, b"%d" % number)
    desk.server.faults["POST"].extend([fault, fault])
    desk.server.faults["DELETE"].extend([fault, fault])

    assert chain.finish(within=60)

    assert desk.names == ["0000000", "0000000-0000049"]
    assert len(desk.chain().read()) == 50


def test_a_merge_that_is_refused_leaves_the_journal_as_it_is(desk: Desk) -> None:
    chain = desk.chain()
    for number in range(20):
        chain.put(number, b"x")
    desk.server.faults["POST"] += [Answer(403)] * 2

    assert chain.finish(within=60)

    assert len(desk.names) == 20
    assert len(desk.chain().read()) == 20


def test_a_put_waits_for_a_server_that_is_away(desk: Desk) -> None:
    """And whoever waits for the put waits; nothing is lost and nothing is put twice."""
    chain = desk.chain()
    chain.put(0, FENCE)
    desk.server.stop()
    stored = threading.Event()

    def put() -> None:
        chain.put(1, b"one")
        stored.set()

    writer = threading.Thread(target=put)
    writer.start()
    assert not stored.wait(1.0)
    desk.server.start()
    assert stored.wait(60)
    writer.join()

    assert desk.chain().read() == [FENCE, b"one"]


def test_merging_waits_for_a_server_that_is_away(desk: Desk) -> None:
    chain = desk.chain()
    for number in range(20):
        chain.put(number, b"x")
    desk.server.stop()

    in_time = chain.finish(within=0.5)
    desk.server.start()

    assert not in_time
    assert chain.finish(within=60)
    assert desk.names == ["0000000-0000019"]


def test_the_second_attempt_fences_the_first(desk: Desk) -> None:
    fenced = threading.Event()
    first = open_journal(
        desk.chain(), holder=Holder(attempt=1, process="pod-1"), when_fenced=fenced.set
    )
    first.record_given((), {"day": 1})
    assert desk.server.run is not None
    desk.server.run["status"]["attempt"] = 2
    second = open_journal(desk.chain(2), holder=Holder(attempt=2, process="pod-2"))

    with pytest.raises(JournalFenced):
        first.record_given((), {"day": 2})

    assert fenced.is_set()
    assert second.given() == ((), {"day": 1})


def test_a_pod_whose_run_went_on_without_it_learns_so_from_a_refusal(desk: Desk) -> None:
    chain = desk.chain()
    assert desk.server.run is not None
    desk.server.run["status"]["attempt"] = 2
    desk.server.faults["POST"].append(Answer(422))

    with pytest.raises(JournalFenced, match="The run is at attempt 2, this pod is attempt 1"):
        chain.put(0, b"zero")


def test_a_pod_whose_run_was_deleted_learns_so_from_a_refusal(desk: Desk) -> None:
    chain = desk.chain()
    desk.server.run = None
    desk.server.faults["POST"] += [Answer(403)] * 2

    with pytest.raises(JournalFenced, match="The run was deleted"):
        chain.put(0, b"zero")


def test_two_writers_share_no_number(desk: Desk) -> None:
    """Whoever comes second sees whose the number is."""
    writers = [desk.chain(), desk.chain()]
    outcomes: list[bytes | None] = []

    def put(index: int) -> None:
        try:
            writers[index].put(0, b"%d" % index)
        except ChainConflict as conflict:
            outcomes.append(conflict.found)
        else:
            outcomes.append(None)

    threads = [threading.Thread(target=put, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (stored,) = desk.chain().read()
    assert sorted(outcomes, key=str) == sorted([None, stored], key=str)


def test_the_writer_does_not_wait_for_merges(desk: Desk) -> None:
    chain = desk.chain()
    chain.put(0, FENCE)
    go_on = threading.Event()
    desk.server.faults["DELETE"].append(Hold(go_on))

    for number in range(1, MERGE_RECORDS + 20):
        chain.put(number, b"x")
    deleted = [each for each in desk.server.requests if each.startswith("DELETE")]
    go_on.set()

    assert deleted == [], "it waited for an answer"
    assert chain.finish(within=60)
    assert desk.names == ["0000000", "0000000-0000399", "0000400-0000419"]
