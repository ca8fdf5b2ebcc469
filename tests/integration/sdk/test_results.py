"""Results that outlive their call: which, where, under which key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.unit.sdk.diary import Diary, run

from penstock import flow, task
from penstock.cache_policies import INPUTS, NO_CACHE
from penstock.engine.results import Entry
from penstock.errors import MissingLibraryError, ResultNotFound, UnreadableValue
from penstock.filesystems import LocalFileSystem, RemoteFileSystem, filesystem_for
from penstock.flows import Flow
from penstock.results import ResultStore
from penstock.shelves.files import path_of
from penstock.shelves.sqlite import MAX_INLINE
from penstock.tasks import Task
from penstock.testing import moving_time


class Counting:
    """A body that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: object = 0) -> int:
        self.calls += 1
        return self.calls


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".penstock"


def counting(**options: Any) -> Task[..., int]:
    """Return a task of a body of its own, so that a cached result shows."""
    return Task(Counting(), **{"name": "count", **options})


def test_a_cached_task_shares_through_penstock_home(home: Path) -> None:
    assert [counting(cache_policy=INPUTS)(x) for x in (1, 1)] == [1, 1]
    assert (home / "results" / "index.db").exists()


def test_without_a_home_nothing_is_written(no_home: Path) -> None:
    key = "in memory only"

    assert [counting(cache_key_fn=lambda *_: key)(x) for x in (1, 1)] == [1, 1]
    assert not no_home.exists()


def test_without_a_home_a_task_may_ask_for_the_disk(no_home: Path) -> None:
    assert [counting(cache_policy=INPUTS, persist_result=True)(x) for x in (1, 1)] == [1, 1]
    assert no_home.exists()


def test_a_task_that_wants_no_persistence_is_not_cached(home: Path) -> None:
    count = counting(cache_policy=INPUTS, persist_result=False)

    assert [count(1), count(1)] == [1, 2]
    assert not home.exists()


def test_memory_may_be_refused_where_there_is_nothing_else(no_home: Path) -> None:
    count = counting(cache_policy=INPUTS, cache_result_in_memory=False, name="unremembered")

    assert [count(1), count(1)] == [1, 2]


def test_memory_beside_the_store_gives_the_object_itself(tmp_path: Path) -> None:
    @task(result_storage=tmp_path, cache_policy=INPUTS, cache_result_in_memory=True)
    def make(x: int) -> list[int]:
        return [x]

    made = make(1)

    assert make(1) is made
    assert make.with_options(cache_result_in_memory=False)(1) is not made


def test_a_result_without_a_key_is_kept_under_its_run(tmp_path: Path) -> None:
    count = counting(persist_result=True, result_storage=tmp_path)

    run(flow(lambda: [count(1), count(1)], name="f"))

    store = ResultStore(result_storage=tmp_path)
    assert [store.read(f"test-run/count-{n}") for n in (0, 1)] == [1, 2]


def test_a_flow_speaks_for_its_tasks(tmp_path: Path) -> None:
    count, loud = counting(), counting(name="loud", result_serializer="compressed/json")
    own, never = (
        counting(name="own", result_storage=tmp_path / "own"),
        counting(name="never", persist_result=False),
    )

    @flow(persist_result=True, result_storage=tmp_path / "flow", result_serializer="pickle")
    def f() -> None:
        inner()
        for each in (count, loud, own, never):
            each()

    @flow
    def inner() -> None:
        count()

    run(f)

    def kept(folder: str) -> dict[str, bool]:
        files = sorted((tmp_path / folder).rglob("*.result"))
        return {
            str(path.relative_to(tmp_path / folder)): b'"pickle"' in path.read_bytes()
            for path in files
        }

    assert kept("flow") == {
        "test-run/inner-0/count-0.result": True,
        "test-run/count-0.result": True,
        "test-run/loud-0.result": False,
    }
    assert kept("own") == {"test-run/own-0.result": True}


def test_a_flow_without_persistence_leaves_cached_tasks_alone(home: Path) -> None:
    count = counting(cache_policy=INPUTS)

    @flow(persist_result=False)
    def f() -> list[int]:
        return [count(1), count(1)]

    assert f() == [1, 1]


def test_the_storage_key_is_the_key(tmp_path: Path, diary: Diary) -> None:
    options = {"result_storage_key": "days/{parameters[x]}/{task_run.task_name}"}

    @flow(result_storage=tmp_path)
    def f() -> list[int]:
        return [counting(**options)(x) for x in ("mon", "tue", "mon")]

    assert run(f, reporter=diary).result == [1, 1, 1]
    assert diary.states_of("count-2") == ["Cached"]
    assert ResultStore(result_storage=tmp_path).read("days/mon/count") == 1


def test_a_storage_key_without_a_cache_is_written_only(tmp_path: Path) -> None:
    count = counting(cache_policy=NO_CACHE, result_storage=tmp_path, result_storage_key="latest")

    assert [count(), count()] == [1, 2]
    assert ResultStore(result_storage=tmp_path).read("latest") == 2


def test_a_storage_key_that_cannot_be_filled_in_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    count = counting(result_storage=tmp_path, result_storage_key="{flow_run.id}")

    assert count() == 1
    assert "the result_storage_key '{flow_run.id}' cannot be filled in" in caplog.text


def test_refreshing_replaces_what_others_find(tmp_path: Path) -> None:
    options: dict[str, Any] = {"cache_policy": INPUTS, "result_storage": tmp_path}
    first = counting(**options)
    first()
    second = counting(**options)

    assert second.with_options(refresh_cache=True)() == 1
    assert [first.with_options(refresh_cache=True)(), second()] == [2, 2]


def test_expiry_holds_for_whoever_reads(tmp_path: Path) -> None:
    options: dict[str, Any] = {"cache_policy": INPUTS, "result_storage": tmp_path}
    first = counting(cache_expiration=timedelta(0), **options)
    lasting = counting(cache_expiration=timedelta(hours=1), name="lasting", **options)

    assert [first(), first(), counting(**options)()] == [1, 2, 1]
    assert [lasting(), counting(name="lasting", **options)()] == [1, 1]


def test_a_result_lasts_as_long_as_it_is_said_to(tmp_path: Path) -> None:
    options: dict[str, Any] = {"cache_policy": INPUTS, "result_storage": tmp_path}
    count = counting(cache_expiration=timedelta(hours=1), **options)

    with moving_time() as time:
        found = [count()]
        time.move(minutes=59)
        found.append(count())
        time.move(minutes=1)
        found.append(count())

    assert found == [1, 1, 2]


def test_what_is_not_to_be_persisted_is_not_in_the_journal(diary: Diary) -> None:
    """A journal is kept for the retry; the task is run again by it."""
    journaled, out = counting(name="journaled"), counting(name="out", persist_result=False)
    attempts: list[int] = []

    @flow(retries=1)
    def f() -> list[int]:
        found = [journaled(), out()]
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError
        return found

    assert run(f).result == [1, 2]


def test_a_file_system_may_have_no_hash() -> None:
    @dataclass
    class Files:
        files: dict[str, bytes] = field(default_factory=dict)

        def read_path(self, path: str) -> bytes:
            if path not in self.files:
                raise FileNotFoundError(path)
            return self.files[path]

        def write_path(self, path: str, content: bytes) -> None:
            self.files[path] = content

        def __len__(self) -> int:
            return len(self.files)

    options: dict[str, Any] = {"cache_policy": INPUTS, "result_storage": Files()}

    assert [counting(**options)(), counting(**options)()] == [1, 1]
    assert counting(cache_policy=INPUTS, result_storage=Files())() == 1


@pytest.fixture(params=["home", "path", "file-url", "memory-url", "s3-like"])
def store(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> ResultStore:
    where: Any = {
        "home": None,
        "path": str(tmp_path / "results"),
        "file-url": f"file://{tmp_path}/with%20space",
        "memory-url": f"memory://results-of-{tmp_path.name}",
        "s3-like": RemoteFileSystem(f"memory://bucket-{tmp_path.name}/a/b", settings={}),
    }[request.param]
    if request.param in ("memory-url", "s3-like"):
        pytest.importorskip("fsspec")
    return ResultStore(result_storage=where)


@pytest.mark.parametrize(
    "value",
    [None, [1, {"a": "ü"}], (1, 2), b"x" * (MAX_INLINE + 100), datetime(2026, 1, 1, tzinfo=UTC)],
    ids=["none", "json", "tuple", "large", "datetime"],
)
def test_a_store_gives_back_what_it_got(store: ResultStore, value: object) -> None:
    store.write([0] * 100_000, key="days/mon")
    store.write(value, key="days/mon")

    assert store.read("days/mon") == value


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "a b\n", "k" * 5000, "é", "."])
def test_any_text_is_a_key(store: ResultStore, key: str) -> None:
    store.write(1, key=key)
    store.write(2, key=key + "2")

    assert (store.read(key), store.read(key + "2")) == (1, 2)


def test_what_is_not_there_is_said(store: ResultStore) -> None:
    store.write(1, key="gone", expiration=timedelta(seconds=-1))

    assert [store.exists(key) for key in ("gone", "never")] == [False, False]
    for key in ("gone", "never"):
        with pytest.raises(ResultNotFound, match=key):
            store.read(key)


def test_an_entry_says_when_it_expires(store: ResultStore) -> None:
    when = datetime(2999, 1, 1, tzinfo=UTC)
    store.keep("k", entry=Entry(1, when))

    assert store.find("k") == Entry(1, when)
    assert store.exists("k")


def test_a_value_whose_file_is_gone_is_unreadable(home: Path) -> None:
    store = ResultStore()
    store.write("x" * MAX_INLINE, key="large")
    [file] = (home / "results" / "values").rglob("*/*")
    file.unlink()

    with pytest.raises(UnreadableValue, match="its file is gone"):
        store.read("large")


def test_a_replaced_value_leaves_no_file(home: Path) -> None:
    store = ResultStore()
    for n in range(3):
        store.write(str(n) * MAX_INLINE, key="large")
    store.write(1, key="large")

    assert not list((home / "results" / "values").rglob("*/*"))


def test_a_name_stays_a_name_and_nothing_leads_out() -> None:
    names = ["days/2026-11-20", "a", "../x", "a//b", ".hidden", "a/.", "x.result/y"]

    assert path_of("days/2026-11-20") == "days/2026-11-20.result"
    assert len({path_of(name) for name in names}) == len(names)
    assert not any(part.startswith(".") for name in names for part in path_of(name).split("/"))


def test_a_folder_is_not_left(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out of the folder"):
        LocalFileSystem(tmp_path).write_path("../out", b"")


@pytest.mark.parametrize("decorate", [task, flow], ids=["task", "flow"])
@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"result_storage": "s4://bucket"}, ValueError, r"s4://bucket .* it knows .*memory.* s3"),
        ({"result_storage": 3}, TypeError, "a path, a URL such as s3://bucket/folder"),
        ({"result_serializer": "yaml"}, TypeError, "'compressed/pickle'"),
        ({"persist_result": "yes"}, TypeError, "persist_result of @.* is True, False or None"),
    ],
    ids=["scheme", "storage", "serializer", "persist"],
)
def test_what_cannot_be_is_refused_when_decorated(
    decorate: Callable[..., Any], options: dict[str, Any], error: type[Exception], told: str
) -> None:
    pytest.importorskip("fsspec")

    with pytest.raises(error, match=told):
        decorate(**options)(Counting())


@pytest.mark.parametrize(
    ("missing", "url", "told"),
    [
        ("fsspec", "gs://bucket", r"needs fsspec.* pip install 'penstock\[fsspec\]'"),
        ("fsspec", "s3://bucket", r"needs fsspec.* pip install 'penstock\[s3\]'"),
        ("s3fs", "s3://bucket", r"needs s3fs.* pip install 'penstock\[s3\]'"),
        ("gcsfs", "gs://bucket", r"needs gcsfs.* pip install gcsfs"),
    ],
)
def test_a_missing_library_is_told_when_decorated(
    missing: str, url: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penstock import filesystems

    real = filesystems.find_spec
    monkeypatch.setattr(
        filesystems, "find_spec", lambda name: None if name == missing else real(name)
    )
    if real("fsspec"):  # as if no other test had used a store
        monkeypatch.setattr(import_module("fsspec.registry"), "registry", {})

    with pytest.raises(MissingLibraryError, match=told):
        filesystem_for(url)


def test_a_flow_of_another_storage_is_the_same_flow(tmp_path: Path) -> None:
    count = counting(cache_policy=INPUTS)
    f: Flow[[], int] = flow(lambda: count(), name="f")

    kept = f.with_options(result_storage=tmp_path)
    kept()

    assert kept() == count.with_options(result_storage=tmp_path)() == 1
