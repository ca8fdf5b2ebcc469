"""An S3 server: moto's, in a process of its own, with one bucket."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class S3:
    """Where the server is, and what a program has to know to use it."""

    endpoint: str

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def served() -> Iterator[S3]:
    """Run the server as long as it is needed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_port(port, server)
        s3 = S3(f"http://127.0.0.1:{port}")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in s3.environ.items():
                patch.setenv(name, value)
            import s3fs

            s3fs.S3FileSystem().mkdir("bucket")
        yield s3
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    with served() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server, and the environment that leads to it."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return s3_server


def _await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert server.poll() is None, "moto's server has ended"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, "moto's server does not listen"
            time.sleep(0.05)
        else:
            return
