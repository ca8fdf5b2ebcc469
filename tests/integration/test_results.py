"""Results shared by processes: on this machine, through its files, and through S3's protocol."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from penstock import flow, task
from penstock.cache_policies import INPUTS
from penstock.filesystems import LocalFileSystem, RemoteFileSystem
from penstock.results import ResultStore
from penstock.shelves.sqlite import MAX_INLINE

PROGRAM = """
from dataclasses import dataclass
from pathlib import Path
from penstock import flow, task
from penstock.cache_policies import INPUTS

@dataclass
class Total:
    rows: int

@task(cache_policy=INPUTS)
def count(day: str) -> Total:
    with Path("ran").open("a") as file:
        file.write(day)
    return Total(len(day))

@flow
def daily(day: str = "monday"):
    state = count(day, return_state=True)
    print(state.name, isinstance(state.result(), Total), state.result().rows)

if __name__ == "__main__":
    daily()
"""


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_program_finds_what_it_found_before_however_it_is_run(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    home = str(tmp_path / "home")

    first = run("program.py", cwd=tmp_path, PENSTOCK_HOME=home)
    again = run("program.py", cwd=tmp_path, PENSTOCK_HOME=home)
    by_command = run(
        "-m", "penstock.cli.main", "run", "program.py:daily", cwd=tmp_path, PENSTOCK_HOME=home
    )

    assert first.stdout == "Completed True 6\n", first.stderr
    assert again.stdout == "Cached True 6\n", again.stderr
    assert by_command.stdout == "Cached True 6\n", by_command.stderr
    assert (tmp_path / "ran").read_text() == "monday"


WRITER = """
import sys
from penstock.results import ResultStore
where, number = sys.argv[1] or None, int(sys.argv[2])
store = ResultStore(result_storage=where)
for n in range(60):
    store.write({"by": number, "text": str(number) * (n % 3 * 20_000)}, key=f"shared/{n % 5}")
    found = store.read(f"shared/{(n + number) % 5}") if n > 5 else None
    assert found is None or set(found["text"]) <= {str(found["by"])}, found["by"]
"""


@pytest.mark.parametrize("where", ["", "files"], ids=["home", "path"])
def test_writers_of_one_key_race_safely(tmp_path: Path, where: str) -> None:
    """Small values lie in the index and large ones beside it; each round changes which."""
    environment = {**os.environ, "PENSTOCK_HOME": str(tmp_path / "home")}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, where, str(number)],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]

    assert [writer.communicate(timeout=60)[1] for writer in writers] == [""] * 4
    left = [path for path in (tmp_path / "home").rglob("values/*/*") if path.is_file()]
    assert len(left) <= 5


KILLED = """
import os, signal
from penstock.results import ResultStore
from penstock.shelves import sqlite
written = sqlite.write_whole
def write_and_die(target, content):
    written(target, content)
    os.kill(os.getpid(), signal.SIGKILL)
sqlite.write_whole = write_and_die
ResultStore().write("new" * 40_000, key="k")
"""


def test_a_kill_between_file_and_index_leaves_the_old_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))
    store = ResultStore()
    store.write("old" * MAX_INLINE, key="k")

    killed = run("-c", KILLED, cwd=tmp_path, PENSTOCK_HOME=str(tmp_path))

    assert killed.returncode == -signal.SIGKILL
    assert store.read("k") == "old" * MAX_INLINE
    assert len(list(tmp_path.rglob("values/*/*"))) == 2


def test_what_a_kill_left_behind_is_swept_the_next_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))
    run("-c", KILLED, cwd=tmp_path, PENSTOCK_HOME=str(tmp_path))
    [orphan] = tmp_path.rglob("values/*/*")
    os.utime(orphan, (0, 0))
    yesterday = "UPDATE swept SET at = at - 90000"
    run(
        "-c",
        f"import sqlite3; c = sqlite3.connect('results/index.db'); c.execute('{yesterday}'); "
        "c.commit()",
        cwd=tmp_path,
    )

    ResultStore().write(1, key="k")

    assert not orphan.exists()


def test_a_full_disk_fails_no_task(caplog: pytest.LogCaptureFixture) -> None:
    @task(cache_policy=INPUTS, result_storage=LocalFileSystem("/dev/full/x"))
    def count() -> int:
        return 1

    assert count() == 1
    assert "uncached" in caplog.text


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as a store of results needs: objects that are put and got whole."""

    objects: dict[str, bytes]
    protocol_version = "HTTP/1.1"  # botocore waits for a "100 Continue"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("x-amz-content-sha256", "").startswith("STREAMING"):
            size, _, rest = body.partition(b"\r\n")
            body = rest[: int(size.partition(b";")[0], 16)]
        self.objects[unquote(urlsplit(self.path).path)] = body
        self._answer(200, b"", ETag=f'"{hashlib.md5(body).hexdigest()}"')

    def do_GET(self) -> None:
        found = self.objects.get(unquote(urlsplit(self.path).path))
        if found is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._answer(200, found, ETag=f'"{hashlib.md5(found).hexdigest()}"')

    do_HEAD = do_GET

    def _answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def bucket() -> Iterator[tuple[RemoteFileSystem, dict[str, bytes]]]:
    pytest.importorskip("s3fs", reason="pip install 'penstock[s3]'")
    handler: Any = type("Own", (Bucket,), {"objects": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = {
        "key": "k",
        "secret": "s",
        "endpoint_url": f"http://127.0.0.1:{server.server_port}",
        "client_kwargs": {"region_name": "us-east-1"},
    }
    yield RemoteFileSystem("s3://bucket/results", settings=settings), handler.objects
    server.shutdown()
    server.server_close()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_s3_keeps_results_as_objects(bucket: tuple[RemoteFileSystem, dict[str, bytes]]) -> None:
    storage, objects = bucket
    ran: list[str] = []

    @task(result_storage_key="days/{parameters[day]}")
    def count(day: str) -> list[int]:
        ran.append(day)
        return [len(day)] * 50_000

    @flow(result_storage=storage)
    def daily() -> list[str]:
        return [count(day, return_state=True).name for day in ("mon", "tue", "mon")]

    assert daily() == ["Completed", "Completed", "Cached"]
    assert ran == ["mon", "tue"]
    assert list(objects) == ["/bucket/results/days/mon.result", "/bucket/results/days/tue.result"]
    assert ResultStore(result_storage=storage).read("days/tue")[:2] == [3, 3]
    assert not ResultStore(result_storage=storage).exists("days/wed")
    objects["/bucket/results/days/mon.result"] = b"broken"
    assert daily() == ["Completed", "Cached", "Cached"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
async def test_s3_is_asked_beside_the_event_loop(
    bucket: tuple[RemoteFileSystem, dict[str, bytes]],
) -> None:
    storage, objects = bucket

    @task(cache_policy=INPUTS, result_storage=storage)
    async def count(day: str) -> int:
        return len(day)

    assert [await count("mon"), await count("mon")] == [3, 3]
    assert len(objects) == 1
