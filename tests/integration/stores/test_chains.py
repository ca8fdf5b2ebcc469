"""Journals in stores: the demands on every chain, and what stores bring with them."""

from __future__ import annotations

import os
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.integration.stores.conftest import S3
from tests.integration.test_results import Bucket
from tests.unit.journal.conformance import CONFORMANCE, OpenChain

from penstock.engine.identity import CallKey
from penstock.errors import CorruptJournal, JournalFenced, StoreUnusable
from penstock.journal.chain import ChainConflict
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder
from penstock.states import Completed
from penstock.stores import Store, open_store
from penstock.stores.chain import StoreChain
from penstock.stores.copies import COPY_RECORDS
from penstock.stores.directory import DirectoryStore
from penstock.stores.s3 import S3Store

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: it need not wait for a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        yield Path(name)


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, folder: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "directory":
        return open_store(str(folder / "store"))
    request.getfixturevalue("s3")
    return open_store(f"s3://bucket/{uuid.uuid4().hex}")


def chain_in(store: Store) -> StoreChain:
    return StoreChain(store, folder="journals/daily-1", wait=_refuse_to_wait)


def _refuse_to_wait(seconds: float) -> None:
    raise AssertionError("the store does not answer")


@pytest.mark.parametrize("demand", CONFORMANCE, ids=lambda demand: demand.__name__)
def test_it_is_a_chain(store: Store, demand: Callable[[OpenChain], None]) -> None:
    demand(lambda: chain_in(store))


def test_of_many_writers_one_gets_the_number(store: Store) -> None:
    store.check()
    start = threading.Barrier(8)
    stored, refused = [], []

    def write(who: int) -> None:
        start.wait()
        try:
            chain_in(store).put(0, b"%d" % who)
        except ChainConflict as conflict:
            refused.append(conflict.found)
        else:
            stored.append(b"%d" % who)

    writers = [threading.Thread(target=write, args=(who,)) for who in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert len(stored) == 1
    assert refused == stored * 7
    assert chain_in(store).read() == stored


def test_runs_in_one_store_do_not_mix(store: Store) -> None:
    chain_in(store).put(0, b"one")

    other = StoreChain(store, folder="journals/daily-12")

    assert other.read() == []


def test_a_record_that_is_missing_is_no_end_of_the_journal(store: Store) -> None:
    chain = chain_in(store)
    for number in (0, 1, 3):
        chain.put(number, b"record")

    with pytest.raises(CorruptJournal, match="Record 2 of the journal in journals/daily-1 is"):
        chain.read()


def test_a_changed_record_is_reported(store: Store) -> None:
    journal = open_journal(chain_in(store), holder=Holder(attempt=1, process="a"))
    key = CallKey("", "load(load)", "0", 0)
    journal.record(key, state=Completed(data=[1, 2]), epoch=lambda: "0")
    folder = "journals/daily-1/records"
    fence, entry = store.read([f"{folder}/0000000", f"{folder}/0000001"])
    store.remove(folder)
    store.put_if_absent(f"{folder}/0000000", fence)
    store.put_if_absent(f"{folder}/0000001", entry.replace(b"[1,2]", b"[1,3]"))

    with pytest.raises(CorruptJournal, match="Record 1 of the journal does not match"):
        open_journal(chain_in(store), holder=Holder(attempt=2, process="b"))


def test_an_older_attempt_is_fenced(store: Store) -> None:
    old = open_journal(chain_in(store), holder=Holder(attempt=1, process="a"))
    open_journal(chain_in(store), holder=Holder(attempt=2, process="b"))
    key = CallKey("", "load(load)", "0", 0)

    with pytest.raises(JournalFenced, match="Attempt 2 of the run, b, has taken the journal"):
        old.record(key, state=Completed(data=1), epoch=lambda: "0")


def test_a_long_journal_is_read_from_few_files(folder: Path) -> None:
    store = DirectoryStore(folder)
    writer = chain_in(store)
    for number in range(2 * COPY_RECORDS + 5):
        writer.put(number, b"%d" % number)
    assert writer.finish(within=30)
    asked: list[int] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def read(self, paths: list[str]) -> list[bytes]:
            asked.append(len(paths))
            return store.read(paths)

    counting: Any = Counting()

    assert chain_in(counting).read() == [b"%d" % each for each in range(2 * COPY_RECORDS + 5)]
    assert sum(asked) == 2 + 5


def test_a_broken_copy_costs_time_and_nothing_else(folder: Path) -> None:
    store = DirectoryStore(folder)
    writer = chain_in(store)
    for number in range(COPY_RECORDS):
        writer.put(number, b"%d" % number)
    assert writer.finish(within=30)
    (name,) = store.names("journals/daily-1/copies")
    store.remove("journals/daily-1/copies")
    store.put_if_absent(f"journals/daily-1/copies/{name}", b"[1,2")

    read = chain_in(store).read()

    assert read == [b"%d" % number for number in range(COPY_RECORDS)]


def test_a_journal_goes_with_its_folder(store: Store) -> None:
    chain_in(store).put(0, b"one")
    StoreChain(store, folder="journals/daily-2").put(0, b"two")

    store.remove("journals/daily-1")

    assert chain_in(store).read() == []
    assert store.names("journals") == ["daily-2"]


def test_a_put_goes_on_when_the_store_does(tmp_path: Path) -> None:
    """A disk that was full, for example."""
    store = DirectoryStore(tmp_path)
    waits: list[float] = []

    class Full(DirectoryStore):
        def put_if_absent(self, path: str, content: bytes) -> bool:
            if len(waits) < 3:
                raise OSError(28, "No space left on device")
            return super().put_if_absent(path, content)

    StoreChain(Full(tmp_path), folder="run", wait=waits.append).put(0, b"x")

    assert waits == [0.2, 0.4, 0.8]
    assert StoreChain(store, folder="run").read() == [b"x"]


def test_a_new_run_does_not_wait_for_ever(tmp_path: Path) -> None:
    class Gone(DirectoryStore):
        def check(self) -> None:
            raise ConnectionError("no route to host")

    waits: list[float] = []

    with pytest.raises(StoreUnusable, match=r"could not be used for .* s.*no route to host"):
        StoreChain(Gone(tmp_path), folder="run", patience=30, wait=waits.append).read()
    assert 30 <= sum(waits) < 60


# Folders


def test_a_writer_that_is_killed_leaves_no_half_record(tmp_path: Path) -> None:
    """What it had written so far bears another name, which nobody reads."""
    store = DirectoryStore(tmp_path)
    chain = StoreChain(store, folder="run")
    chain.put(0, b"whole")
    store._write(tmp_path / "run/records/.draft", b"ha")

    chain.put(1, b"next")

    assert chain.read() == [b"whole", b"next"]


def test_a_file_system_without_links_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)

    with pytest.raises(StoreUnusable, match=f"file system of {tmp_path} has no hard links"):
        StoreChain(DirectoryStore(tmp_path), folder="run").read()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnusable, match=r"cannot be kept in .*file: Not a directory"):
        open_store(str(tmp_path / "file")).check()


def test_a_place_without_an_atomic_put_holds_no_journal() -> None:
    with pytest.raises(StoreUnusable, match="gs://bucket cannot hold journals"):
        open_store("gs://bucket")


# S3


def test_a_bucket_that_is_missing_is_named(s3: S3) -> None:
    with pytest.raises(StoreUnusable, match="There is no bucket other for the journal"):
        StoreChain(open_store("s3://other/x"), folder="run").read()


@pytest.fixture
def careless() -> Iterator[str]:
    """An S3 server that ignores the condition of a put."""
    handler: Any = type("Own", (Bucket,), {"objects": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_that_ignores_conditions_is_refused(careless: str) -> None:
    settings = {"key": "k", "secret": "s", "endpoint_url": careless}
    store = S3Store("s3://bucket/x", settings=settings)

    with pytest.raises(StoreUnusable, match="its server ignores If-None-Match"):
        StoreChain(store, folder="run").read()


class CountingStore(DirectoryStore):
    files_read = 0

    def read(self, paths: Sequence[str]) -> list[bytes]:
        self.files_read += len(paths)
        return super().read(paths)


def test_ten_thousand_results_are_read_from_a_few_files(folder: Path) -> None:
    """The files are made here as a writer would leave them, without its waiting for the disk."""
    from penstock.stores.chain import _packed

    records, copies = folder / "run/records", folder / "run/copies"
    records.mkdir(parents=True)
    copies.mkdir()
    for number in range(10_000):
        (records / f"{number:07}").write_bytes(b"x" * 300)
    for first in range(0, 10_000, COPY_RECORDS):
        name = f"{first:07}-{first + COPY_RECORDS - 1:07}"
        (copies / name).write_bytes(_packed([b"x" * 300] * COPY_RECORDS))
    store = CountingStore(folder)

    read = StoreChain(store, folder="run").read()

    assert len(read) == 10_000
    assert store.files_read == 10_000 / COPY_RECORDS
